// Shows the trials in random order with random sides, keeps the answers across a reload, and saves them as CSV.
const { columns, trials } = JSON.parse(document.getElementById("trials").textContent);
const key = "facewire-pairs-" + trials.map((t) => t.clip + t.rival + t.point + t.condition).join("|").length + "-" + trials.length;
const shuffle = (list) => {
  for (let i = list.length - 1; i > 0; i--) {
    const j = Math.floor(Math.random() * (i + 1));
    [list[i], list[j]] = [list[j], list[i]];
  }
  return list;
};
const fresh = () => ({
  order: shuffle(trials.map((_, index) => index)),
  oursLeft: trials.map(() => Math.random() < 0.5),
  answers: [],
});
const load = () => {
  try {
    const state = JSON.parse(localStorage.getItem(key));
    return state?.order?.length === trials.length ? state : fresh();
  } catch {
    return fresh();
  }
};
const keep = () => {
  try {
    localStorage.setItem(key, JSON.stringify(state));
  } catch {
    // a browser that keeps nothing for files: the answers live until the page is closed
  }
};
const state = load();
const videos = Object.fromEntries([...document.querySelectorAll("video")].map((v) => [v.dataset.side, v]));
const output = document.querySelector("output");
let since = performance.now();

function show() {
  const done = state.answers.length;
  document.querySelector(".end").hidden = done < trials.length;
  document.querySelector(".trial").hidden = done >= trials.length;
  output.textContent = `${Math.min(done + 1, trials.length)} of ${trials.length}`;
  if (done >= trials.length) {
    const own = state.answers.filter((a) => a.answer === "facewire").length;
    const same = state.answers.filter((a) => a.answer === "same").length;
    document.querySelector(".end p").textContent =
      `${trials.length} answers: facewire ${own}, the other ${trials.length - own - same}, the same ${same}.`;
    return;
  }
  const index = state.order[done];
  const trial = trials[index];
  videos.camera.src = trial.camera;
  videos.left.src = state.oursLeft[index] ? trial.ours : trial.theirs;
  videos.right.src = state.oursLeft[index] ? trial.theirs : trial.ours;
  since = performance.now();
  replay();
}

function replay() {
  for (const video of Object.values(videos)) {
    video.currentTime = 0;
    video.play().catch(() => {});
  }
}

function answer(side) {
  if (side === "save") return save();
  if (side === "undo") {
    state.answers.pop();
    keep();
    return show();
  }
  const done = state.answers.length;
  if (done >= trials.length) return;
  const index = state.order[done];
  const ours = (side === "left") === state.oursLeft[index];
  state.answers.push({
    index,
    answer: side === "same" ? "same" : ours ? "facewire" : "rival",
    left: state.oursLeft[index] ? "facewire" : "rival",
    seconds: ((performance.now() - since) / 1000).toFixed(1),
  });
  keep();
  show();
}

function save() {
  const quote = (text) => (/[",\n]/.test(text) ? `"${String(text).replaceAll('"', '""')}"` : text);
  const rows = state.answers.map((a) => {
    const row = { ...trials[a.index], ...a };
    return columns.map((name) => quote(row[name])).join(",");
  });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([[columns.join(","), ...rows].join("\n") + "\n"], { type: "text/csv" }));
  link.download = "facewire-answers.csv";
  link.click();
}

document.addEventListener("click", (event) => {
  const side = event.target.dataset?.answer;
  if (side) answer(side);
});
document.addEventListener("keydown", (event) => {
  const side = { ArrowLeft: "left", ArrowRight: "right", ArrowDown: "same", Backspace: "undo" }[event.key];
  if (side) answer(side);
  else if (event.key === " " && !event.target.closest("button")) replay();
  else return;
  event.preventDefault();
});
// Videos of different length would drift apart: the camera's end starts all again.
videos.camera.addEventListener("timeupdate", () => {
  for (const side of ["left", "right"]) {
    if (Math.abs(videos[side].currentTime - videos.camera.currentTime) > 0.12) videos[side].currentTime = videos.camera.currentTime;
  }
});
show();
