/**
 * The page's own view of a front camera, mirrored as in a looking glass.
 *
 * The element is turned, not the picture: what is sent and recorded stays as others see it, with its words
 * readable.
 */

import { faces } from "../base/faces.js";
import { TrackFace } from "../camera/track_face.js";

/** @import { Replacements } from "./replacements.js" */

const MIRRORED = "-1 1";

export class Mirrors {
  #isWanted;
  /** Elements that are turned by us, and not by the page's own style. @type {WeakSet<HTMLMediaElement>} */
  #turned = new WeakSet();

  /** @param {() => boolean} isWanted */
  constructor(isWanted) {
    this.#isWanted = isWanted;
  }

  /** @param {Replacements} replacements @param {typeof globalThis} window whose elements are looked at */
  install(replacements, window) {
    const mirrors = this;
    const make = (/** @type {Function} */ native) => ({
      /** @this {HTMLMediaElement} @param {MediaProvider | null} stream */
      srcObject(stream) {
        native.call(this, stream);
        mirrors.look(this);
      },
    });
    replacements.replace(window.HTMLMediaElement.prototype, "srcObject", make, "set");
  }

  /** Turns an element, or turns it back. @param {HTMLMediaElement} element that shows something else now */
  look(element) {
    const { style, srcObject } = element;
    if (this.#isWanted() && showsFrontCamera(srcObject)) {
      if (style.scale !== "") return;
      style.scale = MIRRORED;
      this.#turned.add(element);
    } else if (this.#turned.delete(element) && style.scale === MIRRORED) style.scale = "";
  }

  /** @param {Document} document of which all elements are looked at */
  lookAtAll(document) {
    for (const element of document.querySelectorAll("video")) this.look(element);
  }
}

/** @param {MediaProvider | null} shown @returns {boolean} whether it is a filtered camera that looks at its user */
function showsFrontCamera(shown) {
  if (!shown || !("getVideoTracks" in shown)) return false;
  const face = faces.get(shown.getVideoTracks()[0]);
  // A computer's camera does not say where it looks.
  return face instanceof TrackFace && face.getSettings().facingMode !== "environment";
}
