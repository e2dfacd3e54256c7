// Players: one video holds all columns, so stepping it steps them all. The last one touched takes the keys.
let current = null;
for (const player of document.querySelectorAll(".player")) {
  const video = player.querySelector("video");
  const fps = Number(player.dataset.fps);
  const frame = () => Math.round(video.currentTime * fps - 0.5);
  const show = (number) => {
    video.pause();
    const last = Math.max(0, Math.round(video.duration * fps) - 1);
    video.currentTime = (Math.min(Math.max(number, 0), last) + 0.5) / fps;
  };
  const acts = {
    play: () => (video.paused ? video.play() : video.pause()),
    back: () => show(frame() - 1),
    on: () => show(frame() + 1),
    worst: () => show(Number(player.dataset.worst)),
  };
  const tell = () => {
    player.querySelector("output").textContent = `frame ${frame()}`;
    player.querySelector("[data-do=play]").textContent = video.paused ? "play" : "pause";
  };
  for (const name of ["timeupdate", "seeked", "play", "pause"]) video.addEventListener(name, tell);
  player.addEventListener("click", (event) => {
    current = acts;
    const act = event.target.dataset?.do;
    if (act) acts[act]();
    else if (event.target === video) acts.play();
  });
  video.addEventListener("loadeddata", () => show(Number(player.dataset.worst)), { once: true });
  current ??= acts;
}
document.addEventListener("keydown", (event) => {
  const act = { " ": "play", ",": "back", ".": "on" }[event.key];
  if (!act || !current || event.ctrlKey || event.metaKey || event.target.closest("button")) return;
  event.preventDefault();
  current[act]();
});
