// node look.mjs URL OUT [--run] [--fresh NAME,NAME] FILE...: opens each workflow in the real front end and tells, as a
// line of JSON, what it complained about; writes OUT/<name>.png (the graph) and OUT/<name>.page.png (all of the page).
// With --run it is also queued, and its end waited for; the pictures show it after the run, or before it if named by --fresh.
import fs from "node:fs";
import path from "node:path";
import { openHost } from "./browser.mjs";

const [url, out, ...rest] = process.argv.slice(2);
const run = rest.includes("--run");
const fresh = rest.includes("--fresh") ? rest[rest.indexOf("--fresh") + 1].split(",") : [];
const files = rest.filter((argument) => argument.endsWith(".json"));
const { browser, page, problems } = await openHost(url, { width: 1920, height: 1160 });
try {
  await page.evaluate(() => {
    const settings = window.app.ui.settings;
    settings.setSettingValue("Comfy.Minimap.Visible", false);
    settings.setSettingValue("LiteGraph.Canvas.MinFontSizeForLOD", 0); // text at any scale
  });
  for (const file of files) {
    problems.length = 0;
    const name = path.basename(file, ".json");
    const graph = JSON.parse(fs.readFileSync(file, "utf8"));
    const opened = await page.evaluate(open, graph);
    await page.waitForTimeout(1500);
    const dialogs = await page.evaluate(dialogTexts);
    if (fresh.includes(name)) await picture(name);
    const result = { name, ...opened, dialogs, ...(run ? await runIt() : {}), problems: [...problems] };
    if (!fresh.includes(name)) await picture(name);
    console.log(JSON.stringify(result));
  }
} finally {
  await browser.close();
}

async function picture(name) {
  await closeDialogs();
  const clip = await page.evaluate(fit);
  await page.waitForTimeout(6000); // messages go away by themselves
  await page.screenshot({ path: path.join(out, `${name}.page.png`) });
  await page.screenshot({ path: path.join(out, `${name}.png`), clip });
}

async function closeDialogs() {
  for (let tries = 0; tries < 4 && (await page.evaluate(dialogTexts)).length; tries++) {
    await page.keyboard.press("Escape");
    await page.waitForTimeout(400);
  }
}

async function runIt() {
  await closeDialogs();
  return page.evaluate(async () => {
    const ended = new Promise((resolve) => {
      const done = (status) => (event) => resolve({ status, detail: event.detail });
      window.app.api.addEventListener("execution_success", done("success"));
      window.app.api.addEventListener("execution_error", done("error"));
      window.app.api.addEventListener("execution_interrupted", done("interrupted"));
    });
    await window.app.queuePrompt(0);
    const refused = window.app.lastNodeErrors;
    if (refused && Object.keys(refused).length) return { status: "refused", detail: refused };
    const timeout = new Promise((resolve) => setTimeout(() => resolve({ status: "timeout" }), 400000));
    const { status, detail } = await Promise.race([ended, timeout]);
    return { status, detail: status === "success" ? undefined : detail };
  });
}

// --- these run in the page ---

async function open(graph) {
  await window.app.loadGraphData(graph, true, true);
  const nodes = window.app.graph._nodes;
  const known = window.LiteGraph.registered_node_types;
  return {
    nodes: nodes.length,
    unknown: nodes.filter((node) => !known[node.type] || node.has_errors).map((node) => node.type),
    // A wire whose two ends are of different kinds.
    mismatched: Object.values(Object.fromEntries(window.app.graph.links ?? []))
      .map((link) => [window.app.graph.getNodeById(link.origin_id)?.outputs[link.origin_slot]?.type, link.type])
      .filter(([output, type]) => output && type && output !== type && output !== "*" && type !== "*"),
  };
}

function dialogTexts() {
  return [...document.querySelectorAll(".p-dialog, [role=dialog], .p-toast-message")]
    .filter((element) => element.offsetParent !== null || element.getClientRects().length)
    .map((element) => element.innerText.slice(0, 400));
}

function fit() {
  const canvas = window.app.canvas;
  const items = [...window.app.graph._groups, ...window.app.graph._nodes];
  const left = Math.min(...items.map((item) => item.pos[0]));
  const top = Math.min(...items.map((item) => item.pos[1])) - 40;
  const right = Math.max(...items.map((item) => item.pos[0] + item.size[0]));
  const bottom = Math.max(...items.map((item) => item.pos[1] + item.size[1]));
  const area = canvas.canvas.getBoundingClientRect();
  const scale = Math.min((area.width - 150) / (right - left), (area.height - 160) / (bottom - top), 1.3);
  canvas.ds.scale = scale;
  // Right of the side bar, below the bar with the run button.
  canvas.ds.offset = [90 / scale - left + (area.width - 90 - (right - left) * scale) / 2 / scale,
    110 / scale - top + (area.height - 130 - (bottom - top) * scale) / 2 / scale];
  canvas.setDirty(true, true);
  const margin = 24;
  return {
    x: area.left + (left + canvas.ds.offset[0]) * scale - margin,
    y: area.top + (top + canvas.ds.offset[1]) * scale,
    width: (right - left) * scale + 2 * margin,
    height: (bottom - top) * scale + margin,
  };
}
