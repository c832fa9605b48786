/**
 * What a step of a check has found.
 */

import { Fault } from "../base/fault.js";

/**
 * @import { P2PCameraStep } from "../api.js"
 * @typedef {Omit<P2PCameraStep, 'name'>} Finding
 */

/** @param {object} detail @returns {Finding} */
export function ok(detail) {
  return { outcome: "ok", code: "", message: "", detail };
}

/** @param {string} code @param {string} message @param {object} detail @returns {Finding} */
export function note(code, message, detail) {
  return { outcome: "note", code, message, detail };
}

/** @param {string} code @param {string} message @param {object} [detail] @returns {Finding} */
export function failure(code, message, detail = {}) {
  return { outcome: "fail", code, message, detail };
}

/** @param {any} error @returns {Finding} */
export function failed(error) {
  // The browser's own errors have a name; of ours, the code says more.
  const code = typeof error?.code === "string" ? error.code : String(error?.name ?? "error");
  const fault = [error, error?.cause].find((one) => one instanceof Fault);
  const detail = fault ? { status: fault.status, trouble: fault.trouble } : {};
  return failure(code, String(error?.message ?? error), detail);
}
