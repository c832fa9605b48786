"use client";

import { useEffect, useRef } from "react";
import { useFilteredCamera } from "p2pcamera/react";

const server = process.env.NEXT_PUBLIC_SERVER ?? "http://localhost:7860/";

// Rendered by the server first, which has no camera: the hook then gives none.
export default function Page() {
  const { stream, error, quality } = useFilteredCamera({ server, filter: "ink", mirror: "self" });
  const video = useRef(null);
  useEffect(() => {
    video.current.srcObject = stream;
  }, [stream]);
  return (
    <main>
      <video ref={video} autoPlay playsInline muted />
      <p role="status">
        {error ? `${error.code}: ${error.message}` : (quality?.limit ?? quality?.level ?? "")}
      </p>
    </main>
  );
}
