/** @param {number} duration_ms @returns {Promise<void>} */
export function pause(duration_ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, duration_ms);
  });
}
