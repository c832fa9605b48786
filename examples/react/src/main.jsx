import { StrictMode, useEffect, useRef, useState } from "react";
import { createRoot } from "react-dom/client";
import { useFilteredCamera } from "p2pcamera/react";

const server = import.meta.env.VITE_SERVER ?? "http://localhost:7860/";
const FILTERS = ["ink", "invert"];

function Me() {
  const [filter, setFilter] = useState(FILTERS[0]);
  const { stream, error, quality } = useFilteredCamera({ server, filter, mirror: "self" });
  const video = useRef(null);
  useEffect(() => {
    video.current.srcObject = stream;
  }, [stream]);
  return (
    <>
      <video ref={video} autoPlay playsInline muted />
      {FILTERS.map((name) => (
        <button key={name} type="button" aria-pressed={name === filter} onClick={() => setFilter(name)}>
          {name}
        </button>
      ))}
      <p role="status">
        {error ? `${error.code}: ${error.message}` : (quality?.limit ?? quality?.level ?? "")}
      </p>
    </>
  );
}

createRoot(document.getElementById("root")).render(
  <StrictMode>
    <Me />
  </StrictMode>,
);
