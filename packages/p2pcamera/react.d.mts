import type {
  P2PCameraFilter,
  P2PCameraMirror,
  P2PCameraOutage,
  P2PCameraQuality,
  P2PCameraState,
} from "./p2pcamera.js";

export interface FilteredCameraOptions {
  server?: string;
  filter?: P2PCameraFilter | null;
  params?: object;
  outage?: P2PCameraOutage;
  token?: string | (() => string | Promise<string>);
  mirror?: P2PCameraMirror;
  /** A change opens the camera anew. */
  video?: boolean | MediaTrackConstraints;
  audio?: boolean | MediaTrackConstraints;
  /** `false` puts the camera out. */
  isOn?: boolean;
}

export interface FilteredCamera {
  stream: MediaStream | null;
  /** Of the camera, or of a change of filter; a fault has a `code`. */
  error: (Error & { code?: string | number }) | null;
  state: P2PCameraState | "off";
  quality: P2PCameraQuality | null;
}

/** Opens the page's camera, filtered, for as long as the component is there. */
export declare function useFilteredCamera(options?: FilteredCameraOptions): FilteredCamera;
