// Sessions ended from another browser.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heading, openAs, rest } from './support.mjs';

/** From the moment that a session ends, in milliseconds. */
const AT_ONCE = 2_000;

test('a session that is ended is over in its browser within two seconds', async () => {
  const theirs = await openAs('reader@example.org');
  await rest(theirs.page);
  const { page, context, faults } = await openAs('admin@example.org', '/admin/users?q=reader');
  await page.getByRole('row').filter({ hasText: 'reader@example.org' }).getByRole('gridcell').nth(1).click();
  await heading(page, 'Rita Reader').waitFor();
  const sessions = page.getByRole('grid', { name: 'Sessions of this user' });
  await sessions.getByRole('button', { name: 'End this session' }).first().click();
  const ended = page.waitForResponse((response) => response.request().postData()?.includes('revokeSession') ?? false);
  await page.getByRole('dialog').getByRole('button', { name: 'End this session' }).click();
  await ended;
  const began = Date.now();
  await theirs.page.getByRole('link', { name: 'Roles' }).click();
  await theirs.page.getByText('Your session has ended').waitFor();
  const took = Date.now() - began;
  assert.ok(took < AT_ONCE, `it took ${took} ms`);
  await sessions.getByText('Ended').waitFor();
  assert.deepEqual(faults, []);
  await Promise.all([context.close(), theirs.context.close()]);
});

test('what the page asks by itself says so, and what a person asks does not', async () => {
  const { page, context, faults } = await openAs('reader@example.org');
  await page.clock.install();
  await page.reload();
  await heading(page, 'Users').waitFor();
  await rest(page);
  const sent = [];
  page.on('request', (request) => {
    if (!request.url().endsWith('/graphql')) return;
    sent.push({ byItself: request.headers()['x-background'] === 'true', refreshes: request.postData().includes('mutation Refresh') });
  });
  /** What is sent when the access token has run out and the page looks whether the session goes on. */
  const laterOn = async () => {
    sent.length = 0;
    const looked = page.waitForResponse((response) => response.request().postData()?.includes('query Viewer') ?? false);
    await page.clock.fastForward('20:00');
    await looked;
    await rest(page);
    return sent.map(({ byItself, refreshes }) => `${refreshes ? 'refresh' : 'look'}${byItself ? ' by itself' : ''}`).sort();
  };
  await page.getByRole('link', { name: 'Roles' }).click();
  await heading(page, 'Roles').waitFor();
  await rest(page);
  assert.ok(sent.length > 0 && sent.every(({ byItself }) => !byItself), JSON.stringify(sent));
  // Somebody was here since the tokens were last refreshed, and nobody was after that.
  assert.deepEqual(await laterOn(), ['look by itself', 'refresh']);
  assert.deepEqual(await laterOn(), ['look by itself', 'refresh by itself']);
  await page.keyboard.press('Tab');
  assert.deepEqual(await laterOn(), ['look by itself', 'refresh']);
  assert.deepEqual(faults, []);
  await context.close();
});
