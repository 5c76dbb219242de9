// node build.mjs URL PLANS OUT: builds every plan in the real front end and writes the graph as it would save it.
import fs from "node:fs";
import path from "node:path";
import { openHost } from "./browser.mjs";

const [url, plansFile, out] = process.argv.slice(2);
const plans = JSON.parse(fs.readFileSync(plansFile, "utf8"));
const { browser, page, problems } = await openHost(url);
try {
  for (const plan of plans) {
    const graph = await page.evaluate(build, plan);
    fs.writeFileSync(path.join(out, `${plan.name}.json`), JSON.stringify(graph));
  }
} finally {
  await browser.close();
}
for (const problem of problems) console.error(problem);

// Runs in the page.
async function build(plan) {
  const GAP = 30, PADDING = 24, HEAD = 60, GROUP_GAP = 70, NOTE_WIDTH = 380;
  const app = window.app;
  await app.loadApiJson(plan.api, plan.name);
  const graph = app.graph;
  const byId = (id) => graph.getNodeById(Number(id)) ?? graph.getNodeById(id);

  const note = (title, text, x, y, width) => {
    const node = LiteGraph.createNode("MarkdownNote");
    graph.add(node);
    node.title = title;
    node.pos = [x, y];
    const letters = width / 6.4;
    const lines = text.split("\n").reduce((sum, line) => {
      const seen = line.replace(/\]\([^)]*\)/g, "");
      return sum + Math.max(1, Math.ceil(seen.length / letters));
    }, 0);
    node.size = [width, Math.max(90, lines * 21 + 60)];
    node.widgets[0].value = text;
    node.color = "#432";
    node.bgcolor = "#653";
    return node;
  };
  // One paragraph a line: notes wrap by themselves.
  const flowing = (text) => text.replace(/([^\n])\n(?![\n\-|])/g, "$1 ");

  for (const [id, title] of Object.entries(plan.titles)) byId(id).title = title;
  for (const [id, models] of Object.entries(plan.models)) byId(id).properties.models = models;
  for (const id of plan.muted) byId(id).mode = 2;

  for (const node of graph._nodes) {
    const least = node.computeSize();
    const width = Math.max(300, Math.min(420, least[0]));
    let height = least[1];
    if (node.type === "ThreeDiMoPreviewMotion") height += 330;
    if (node.type === "SaveVideo" || node.type === "LoadImage" || node.type === "LoadVideo") height += 260;
    // Room for what web/threedimo.js shows after a run, so that no node grows over the next.
    const told = /^ThreeDiMo(Trim|Retime|Loop|Reverse|Join|Blend|Hold|Combine)/;
    if (told.test(node.type)) height += 55;
    if (node.type === "ThreeDiMoMotionInfo") height += 110;
    if (node.type === "ThreeDiMoEncodeMotion") height += 150;
    if (node.type === "ThreeDiMoSaveMotion" || node.type === "ThreeDiMoLoadMotion") height += 170;
    if (node.type === "ThreeDiMoCameraPrompt") height += 190;
    node.setSize([width, height]);
  }

  let x = 0;
  let rowTop = 0;
  const about = note(plan.title, `## ${plan.title}\n\n${plan.about}`, 0, 0, NOTE_WIDTH);
  about.color = "#223";
  about.bgcolor = "#335";
  rowTop = about.size[1] + GROUP_GAP;
  let rowStart = null;
  let stackedTo = rowTop;
  let widest = 0;
  for (const group of plan.groups) {
    let top = rowTop;
    if (group.row > 0) {
      x = rowStart;
      top = stackedTo + GROUP_GAP;
    } else {
      if (rowStart !== null) x = Math.max(x, rowStart + widest + GROUP_GAP);
      rowStart = x;
      widest = 0;
    }
    let columnX = x + PADDING;
    let bottom = top;
    for (const column of group.columns) {
      let y = top + HEAD;
      let width = 0;
      for (const id of column) {
        const node = byId(id);
        node.pos = [columnX, y + LiteGraph.NODE_TITLE_HEIGHT];
        y += node.size[1] + LiteGraph.NODE_TITLE_HEIGHT + GAP;
        width = Math.max(width, node.size[0]);
      }
      columnX += width + GAP;
      bottom = Math.max(bottom, y - GAP);
    }
    let right = columnX - GAP + PADDING;
    if (group.note) {
      const width = Math.max(NOTE_WIDTH, right - x - 2 * PADDING);
      right = Math.max(right, x + width + 2 * PADDING);
      const text = note("Note", flowing(group.note), x + PADDING, bottom + GAP + LiteGraph.NODE_TITLE_HEIGHT, width);
      bottom = text.pos[1] + text.size[1];
    }
    const box = new LiteGraph.LGraphGroup(group.title);
    box.color = group.colour;
    box.pos = [x, top];
    box.size = [right - x, bottom + PADDING - top];
    graph.add(box);
    stackedTo = bottom + PADDING;
    widest = Math.max(widest, right - x);
    x = right + GROUP_GAP;
  }
  for (const node of graph._nodes) {
    for (const widget of node.widgets ?? []) {
      if (widget.name === "control_after_generate") widget.value = "fixed";
    }
  }
  const data = graph.serialize();
  data.extra = { ds: { scale: 0.6, offset: [60, 60] } };
  return data;
}
