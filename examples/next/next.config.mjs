export default {
  // Plain files, which any server can hold.
  output: "export",
  // This folder, and not the one above that has a lock file of its own.
  turbopack: { root: import.meta.dirname },
};
