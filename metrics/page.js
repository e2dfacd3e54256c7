// Sorts the table of clips by the column whose head is pressed; pressed again, the other way round.
for (const button of document.querySelectorAll(".clips th button")) {
  button.addEventListener("click", () => {
    const head = button.closest("th");
    const table = head.closest("table");
    const column = [...head.parentNode.children].indexOf(head);
    const up = head.getAttribute("aria-sort") === "descending";
    for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
    head.setAttribute("aria-sort", up ? "ascending" : "descending");
    const value = (row) => {
      const text = row.children[column].textContent;
      return text === "" ? null : isNaN(text) ? text : Number(text);
    };
    const rows = [...table.tBodies[0].rows].sort((a, b) => {
      const [x, y] = [value(a), value(b)];
      if (x === null || y === null) return (x === null) - (y === null);  // what was not measured stays at the end
      return (x < y ? -1 : x > y ? 1 : 0) * (up ? 1 : -1);
    });
    table.tBodies[0].append(...rows);
  });
}
