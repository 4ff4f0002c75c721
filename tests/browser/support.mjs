// A browser for tests: what one sees in it is asked for by role and name, as a screen reader would. Whatever a page says went
// wrong fails the test that opened it, and so does a request to any other host.
import assert from 'node:assert/strict';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { after, before } from 'node:test';
import { chromium } from 'playwright-core';
import { OLDEST } from '../../frontend-examples/browsers.mjs';

export const url = process.env.VOICEHIVE_URL;
export const PASSWORD = process.env.VOICEHIVE_PASSWORD;
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
/** How long something may take to appear, in milliseconds: machines of tests are busy. */
const PATIENCE = 20_000;

let browser;
before(async () => {
  browser = await chromium.launch({ executablePath: process.env.VOICEHIVE_BROWSER, args: ['--no-sandbox'] });
  if (process.env.VOICEHIVE_OLDEST) assert.ok(OLDEST.includes(`chrome${browser.version().split('.')[0]}`), browser.version());
});
after(() => browser.close());

/** A browser of its own, with nothing kept from others; `faults` is what its pages say went wrong. */
export async function open(path, { colorScheme = 'light', width = 1280, height = 800 } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme, locale: 'en-GB', timezoneId: 'Europe/Berlin' });
  context.setDefaultTimeout(PATIENCE);
  const faults = [];
  await context.route(
    (address) => address.origin !== url,
    (route) => {
      faults.push(`asked another host: ${route.request().url()}`);
      return route.abort();
    },
  );
  context.on('weberror', (error) => faults.push(String(error.error().stack)));
  context.on('console', (message) => {
    if (message.type() === 'error') faults.push(message.text());
  });
  const page = await context.newPage();
  await page.goto(url + path);
  return { page, context, faults };
}

export async function signIn(page, email, password = PASSWORD) {
  await page.getByLabel('Email').fill(email);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
}

/** A browser in which somebody is signed in to the dashboard. */
export async function openAs(email, path = '/admin/users', settings = {}) {
  const opened = await open(path, settings);
  await signIn(opened.page, email, settings.password);
  await opened.page.getByRole('navigation', { name: 'Pages' }).waitFor();
  return opened;
}

export const heading = (page, name) => page.getByRole('heading', { name, exact: true });
/** The row of a table that shows this text. */
export const row = (page, text) => page.getByRole('row').filter({ hasText: text });

/** Between one key and the next, in milliseconds: as people type. */
const KEYS = [90, 40, 180, 60, 130, 40, 110, 160];

/** Types as a person does, wherever the focus is. */
export async function typeLike(page, text) {
  for (const [index, letter] of [...text].entries()) {
    await page.keyboard.type(letter);
    await page.waitForTimeout(KEYS[index % KEYS.length]);
  }
}

/** Answers to an operation, late or as `change` makes them. */
export function answering(page, operation, change) {
  return page.route('**/graphql', async (route) => {
    if (route.request().postDataJSON()?.operationName !== operation) return route.fallback();
    const response = await route.fetch();
    const answer = await response.json();
    return route.fulfill({ response, ...(await change(answer)) });
  });
}

/** Lets the page come to rest: nothing on its way, and nothing that says it loads. */
export async function rest(page) {
  await page.waitForLoadState('networkidle');
  await page.getByText('Loading…').first().waitFor({ state: 'hidden' });
}

/** No violation of accessibility that axe-core calls serious or critical. */
export async function isAccessible(page, what, { except = [] } = {}) {
  await page.evaluate(AXE);
  const violations = await page.evaluate(() => globalThis.axe.run().then((result) => result.violations));
  const grave = violations
    .filter(({ id, impact }) => ['serious', 'critical'].includes(impact) && !except.includes(id))
    .map(({ id, help, nodes }) => `${what}: ${id}: ${help}: ${nodes.map((node) => `${node.target.join(' ')} ${node.failureSummary}`).join('; ')}`);
  assert.deepEqual(grave, []);
}

/** Kept where VOICEHIVE_SCREENSHOTS says, for people to look at. */
export async function picture(page, name) {
  const folder = process.env.VOICEHIVE_SCREENSHOTS;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: `${folder}/${name}.png` });
}

/** What the API answers somebody who signs in with a password. */
export async function api(email, query, variables = {}, password = PASSWORD) {
  const send = async (body, token) => {
    const headers = { 'Content-Type': 'application/json', ...(token && { Authorization: `Bearer ${token}` }) };
    const response = await fetch(`${url}/graphql`, { method: 'POST', headers, body: JSON.stringify(body) });
    const { data, errors } = await response.json();
    assert.equal(errors, undefined);
    return data;
  };
  const login = 'mutation($input: LoginInput!) { login(input: $input) { tokens { accessToken } } }';
  const { tokens } = (await send({ query: login, variables: { input: { email, password } } })).login;
  return send({ query, variables }, tokens.accessToken);
}
