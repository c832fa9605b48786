/**
 * The reason why there is no filtered picture.
 */

/** @import { P2PCameraFault } from "../api.js" */

/** @implements {P2PCameraFault} */
export class Fault extends Error {
  status = 0;
  field = "";
  /** @type {import("../api.js").P2PCameraTrouble | null} */
  trouble = null;
  /** @type {number | null} */
  retryAfterS = null;

  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

/** @param {any} error of the server's JSON, which may be anything @returns {Fault} */
export function faultFromError(error) {
  const message = String(error?.message ?? "the server gives no reason");
  const fault = new Fault(String(error?.code ?? "error"), message);
  fault.field = String(error?.field ?? "");
  fault.trouble = error?.trouble ?? null;
  return fault;
}

/** @param {unknown} error @param {string} code for an error that is no fault yet @returns {Fault} */
export function faultFrom(error, code) {
  return error instanceof Fault ? error : new Fault(code, String(error));
}
