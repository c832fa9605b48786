/**
 * Draws boxes, points and labels over the filtered picture, in step with it.
 *
 * The event `data` comes when its picture is put into the track. The element shows that picture at its next
 * frame, and then it is drawn.
 */

/* global p2pcamera */

const video = document.querySelector("video");
const canvas = document.querySelector("canvas");
const pen = canvas.getContext("2d");
let newest = null;

p2pcamera.addEventListener("data", ({ detail }) => {
  newest = detail;
});

function draw() {
  video.requestVideoFrameCallback(draw);
  if (!newest) return;
  const { width, height, filters } = newest;
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  pen.clearRect(0, 0, width, height);
  Object.assign(pen, { strokeStyle: "#35d0a5", fillStyle: "#35d0a5", lineWidth: 3, font: "16px sans-serif" });
  for (const { boxes, points, labels } of Object.values(filters)) {
    for (const box of boxes) {
      pen.strokeRect(box.x * width, box.y * height, box.width * width, box.height * height);
      pen.fillText(`${box.label} ${box.score.toFixed(2)}`, box.x * width + 4, box.y * height + 18);
    }
    for (const group of points) {
      for (const [x, y, score] of group.points) {
        if (score > 0.5) pen.fillRect(x * width - 3, y * height - 3, 6, 6);
      }
    }
    labels.forEach(({ label, score }, row) => {
      pen.fillText(`${label} ${score.toFixed(2)}`, 8, 24 + 22 * row);
    });
  }
}

async function start() {
  video.srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
  video.requestVideoFrameCallback(draw);
}

start().catch((error) => {
  document.body.append(`${error.name}: ${error.message}`);
});
