// Tells how large the chosen file is before it is sent.
document.addEventListener("change", (event) => {
  const input = event.target;
  const output = input.form && input.form.elements.namedItem("size");
  if (input.type !== "file" || !output) return;
  output.value = input.files.length ? Math.ceil(input.files[0].size / 1024) + " KiB" : "";
});
