/**
 * Of which filters `static/examples` has a picture: made by `python -m docs.make.gallery`.
 * @type {readonly string[]}
 */
export default Object.freeze([
  "background",
  "camera",
  "detection",
  "face",
  "grade",
  "ink",
  "invert",
  "passthrough",
  "pose",
  "segmentation",
]);
