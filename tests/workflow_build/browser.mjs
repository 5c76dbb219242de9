// A headless chromium with ComfyUI open in it, through playwright-core (PLAYWRIGHT names the folder it lies in).
import { createRequire } from "node:module";
import path from "node:path";

const require = createRequire(path.join(process.env.PLAYWRIGHT ?? process.cwd(), "index.js"));
const { chromium } = require("playwright-core");

export async function openHost(url, size = { width: 1920, height: 1080 }) {
  const browser = await chromium.launch({
    executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
    // Without the background services, which look for hosts that a closed network does not have.
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--disable-quic", "--no-first-run",
      "--disable-background-networking", "--disable-component-update", "--disable-sync",
    ],
  });
  const page = await browser.newPage({ viewport: size });
  const problems = [];
  page.on("pageerror", (error) => problems.push(String(error)));
  page.on("console", (message) => {
    if (["error", "warning"].includes(message.type())) problems.push(`${message.type()}: ${message.text()}`);
  });
  await page.goto(url, { waitUntil: "domcontentloaded", timeout: 120000 });
  await page.waitForFunction(
    () => window.app?.graph && window.LiteGraph?.registered_node_types?.["ThreeDiMoApply"],
    null,
    { timeout: 120000 },
  );
  await page.waitForTimeout(1500);
  return { browser, page, problems };
}
