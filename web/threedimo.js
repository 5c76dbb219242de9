// Shows what a 3DiMo node has to tell (its `ui.text`) on the node itself, below its widgets.
import { app } from "../../scripts/app.js";

const WIDGET = "report";
const LINE_HEIGHT = 15;

function makeBox() {
  const box = document.createElement("div");
  box.style.cssText =
    "font: 11px/15px Inter, Arial, sans-serif; white-space: pre-wrap; overflow: auto; padding: 6px 8px;" +
    "box-sizing: border-box; border-radius: 6px; color: var(--input-text); background: var(--comfy-input-bg);" +
    "opacity: 0.9; user-select: text;";
  return box;
}

// Room for the text at the node's width, within reason: long reports scroll.
function boxHeight(text, width) {
  const letters = Math.max(20, Math.floor((width - 40) / 5.6));
  const lines = text.split("\n").reduce((sum, line) => sum + Math.max(1, Math.ceil(line.length / letters)), 0);
  return Math.min(12, lines) * LINE_HEIGHT + 14;
}

function show(node, text) {
  let widget = node.widgets?.find((candidate) => candidate.name === WIDGET);
  if (!widget) {
    const box = makeBox();
    widget = node.addDOMWidget(WIDGET, "threedimo_report", box, {
      serialize: false,
      getMinHeight: () => boxHeight(box.textContent, node.size[0]),
      getMaxHeight: () => boxHeight(box.textContent, node.size[0]),
    });
    widget.serialize = false; // told anew by every run, so it is kept out of saved workflows
  }
  widget.element.textContent = text;
  const needed = node.computeSize();
  node.setSize([Math.max(node.size[0], needed[0]), Math.max(node.size[1], needed[1])]);
  node.setDirtyCanvas(true, true);
}

app.registerExtension({
  name: "comfyui3dimo.report",
  beforeRegisterNodeDef(nodeType, nodeData) {
    if (!nodeData.name.startsWith("ThreeDiMo")) return;
    const before = nodeType.prototype.onExecuted;
    nodeType.prototype.onExecuted = function (message) {
      before?.apply(this, arguments);
      if (message?.text) show(this, [].concat(message.text).join("\n"));
    };
  },
});
