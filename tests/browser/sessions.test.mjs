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
