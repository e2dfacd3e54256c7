// Plays all videos in step: the first one leads, the others are put right when they drift.
const FRAME_S = 1 / 30;
const MAX_DRIFT_S = 0.07;
const videos = [...document.querySelectorAll(".video video")];
const [leader, ...others] = videos;
const controls = document.querySelector(".controls");
const slider = controls.querySelector("input");
const output = controls.querySelector("output");
const button = controls.querySelector("[data-do=play]");

const seek = (seconds) => {
  for (const video of videos) video.currentTime = Math.min(Math.max(seconds, 0), leader.duration || 0);
};
const acts = {
  play: () => {
    const start = leader.paused;
    if (start) seek(leader.currentTime);
    for (const video of videos) start ? video.play().catch(() => {}) : video.pause();
    if (!start) seek(leader.currentTime);
  },
  back: () => step(-FRAME_S),
  on: () => step(FRAME_S),
};
const step = (seconds) => {
  for (const video of videos) video.pause();
  seek(leader.currentTime + seconds);
};
const tell = () => {
  button.textContent = leader.paused ? "Play all" : "Pause all";
  slider.max = leader.duration || 1;
  slider.value = leader.currentTime;
  output.textContent = `${leader.currentTime.toFixed(2)} of ${(leader.duration || 0).toFixed(1)} s`;
  if (leader.paused || leader.seeking) return;
  for (const video of others) {
    if (Math.abs(video.currentTime - leader.currentTime) > MAX_DRIFT_S) video.currentTime = leader.currentTime;
  }
};
for (const name of ["loadedmetadata", "timeupdate", "seeked", "play", "pause"]) leader.addEventListener(name, tell);
for (const video of videos) {
  video.controls = false;
  video.addEventListener("click", acts.play);
}
controls.hidden = false;
controls.addEventListener("click", (event) => acts[event.target.dataset?.do]?.());
slider.addEventListener("input", () => seek(Number(slider.value)));
document.addEventListener("keydown", (event) => {
  const act = { " ": "play", ",": "back", ".": "on" }[event.key];
  if (!act || event.ctrlKey || event.metaKey || event.altKey || event.target.closest("button")) return;
  event.preventDefault();
  acts[act]();
});
tell();
