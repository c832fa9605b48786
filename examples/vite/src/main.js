import { p2pcamera } from "p2pcamera";

const element = (id) => document.getElementById(id);

async function begin() {
  p2pcamera.server = import.meta.env.VITE_SERVER ?? "http://localhost:7860/";
  p2pcamera.filter = "ink";
  p2pcamera.mirror = "self";
  p2pcamera.addEventListener("quality", ({ detail: { quality } }) => {
    element("said").textContent = quality.limit ? `limited by ${quality.limit}` : quality.level;
  });
  element("other").addEventListener("click", () => p2pcamera.setFilter("invert"));
  element("me").srcObject = await navigator.mediaDevices.getUserMedia({ video: true });
}

begin().catch((error) => {
  element("said").textContent = `${error.code}: ${error.message}`;
});
