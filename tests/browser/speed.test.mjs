// How long one waits for the first rows and for what one searches, beside what the API takes for the same by itself. Figures are
// printed; what is asserted is that nothing is waited for besides. VOICEHIVE_GUESTS makes the list longer.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openAs, rest, row } from './support.mjs';

const ROUNDS = 5;
const SEARCHES = ['guest.0000123', 'guest.0000999', 'guest.0001500', 'guest.0002000', 'guest.0002222'];
/** What a person takes for at once, in milliseconds (Miller 1968; Nielsen 1993). */
const AT_ONCE = 1_000;

/** In the page itself, at each frame: when a row with this text is there, in milliseconds since the page was asked for. */
const seen = (page, text) =>
  page.evaluate(
    (text) =>
      new Promise((resolve) => {
        const look = () => {
          const rows = [...document.querySelectorAll('[role=row]')];
          if (rows.some((row) => row.textContent.includes(text))) resolve(performance.now());
          else requestAnimationFrame(look);
        };
        look();
      }),
    text,
  );

const median = (numbers) => [...numbers].sort((one, other) => one - other)[Math.floor(numbers.length / 2)];

test('nobody waits for the list or for what they search', async () => {
  const { page, context } = await openAs('admin@example.org');
  await rest(page);
  /** The API's own time, for requests that a page has sent: from the request to the end of the answer. */
  const answered = [];
  page.on('requestfinished', (request) => {
    if (request.postData()?.includes('query Users(')) answered.push(request.timing().responseEnd);
  });

  const shown = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await page.getByRole('link', { name: 'Roles' }).click();
    await page.getByRole('rowheader', { name: /user:view/ }).waitFor();
    // A page that is loaded anew holds nothing.
    await page.goto(new URL('/admin/users', page.url()).href, { waitUntil: 'commit' });
    shown.push(await seen(page, 'admin@example.org'));
    await rest(page);
  }
  const list = { shown: median(shown), api: median(answered) };
  answered.length = 0;
  const found = [];
  for (const text of SEARCHES) {
    await page.getByLabel('Search').fill('');
    await row(page, 'admin@example.org').waitFor();
    await rest(page);
    answered.splice(0, Infinity, ...answered.slice(0, found.length));
    const began = await page.evaluate(() => performance.now());
    await page.getByLabel('Search').fill(text);
    found.push((await seen(page, `${text}@`)) - began);
    await rest(page);
  }
  const search = { shown: median(found), api: median(answered) };
  for (const [what, { shown, api }] of Object.entries({ list, search })) {
    console.log(`${what}: ${shown.toFixed(0)} ms until it is seen, ${api.toFixed(1)} ms of them the API's: ${(shown / api).toFixed(1)} times as long`);
    assert.ok(shown < AT_ONCE, `${what} took ${shown} ms`);
  }
  await context.close();
});
