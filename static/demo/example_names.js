/**
 * Of which filters `static/examples` has a picture: made by `python -m docs.make.gallery`.
 * @type {readonly string[]}
 */
export default Object.freeze([
  "animal",
  "background",
  "camera",
  "detection",
  "face",
  "frame",
  "grade",
  "ink",
  "invert",
  "light",
  "makeup",
  "passthrough",
  "pose",
  "segmentation",
]);
