// What is left when a page goes wrong in the browser: the shell around it, what happened, and another attempt.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answering, heading, isAccessible, open, openAs, picture, rest, row } from './support.mjs';

const pages = (page) => page.getByRole('navigation', { name: 'Pages' });
/** All that one page told the browser it went wrong with; anything else is a fault of another kind. */
const only = (faults, part) => assert.ok(faults.length > 0 && faults.every((fault) => fault.includes(part)), faults.join('\n'));

test('a page that goes wrong leaves the shell, names the request, and is tried again', async () => {
  const { page, context, faults } = await openAs('admin@example.org', '/admin/roles');
  await page.getByRole('rowheader', { name: /user:view/ }).waitFor();
  let refused;
  const refusal = new Promise((resolve) => (refused = resolve));
  await answering(page, 'UserCount', () => {
    refused();
    const body = { errors: [{ message: 'something went wrong on our side', extensions: { code: 'INTERNAL' } }] };
    return { status: 200, json: body, headers: { 'Content-Type': 'application/json', 'X-Request-Id': 'the-request-that-failed' } };
  });
  await answering(page, 'Users', async (answer) => {
    await refusal;
    answer.data.users.nodes[0].lastLoginAt = 'no time';
    return { json: answer };
  });
  await pages(page).getByRole('link', { name: 'Users' }).click();
  const told = page.getByRole('alert').filter({ has: heading(page, 'This page cannot be shown') });
  await told.getByText('the-request-that-failed').waitFor();
  await isAccessible(page, 'a broken page');
  await picture(page, 'broken');
  assert.equal(await page.getByRole('button', { name: 'Sign out' }).count(), 1);

  await pages(page).getByRole('link', { name: 'Hotels' }).click();
  await row(page, 'hotel-001').waitFor();
  assert.equal(await told.count(), 0);
  await page.goBack();
  await told.waitFor();
  await told.getByRole('button', { name: 'Try again' }).click();
  await told.waitFor();
  await page.unrouteAll({ behavior: 'wait' });
  await told.getByRole('button', { name: 'Try again' }).click();
  await row(page, 'reader@example.org').waitFor();
  only(faults, 'Invalid time value');
  await context.close();
});

test('a page whose program cannot be had is tried again', async () => {
  const { page, context, faults } = await openAs('admin@example.org');
  await rest(page);
  await page.route('**/assets/RolesPage*', (route) => route.abort());
  await pages(page).getByRole('link', { name: 'Roles' }).click();
  await heading(page, 'This page cannot be shown').waitFor();
  await page.unrouteAll({ behavior: 'wait' });
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('rowheader', { name: /user:view/ }).waitFor();
  only(faults, 'Failed to');
  await context.close();
});

test('what goes wrong in the shell itself is told, too', async () => {
  const { page, context, faults } = await openAs('admin@example.org');
  await rest(page);
  await answering(page, 'Viewer', (answer) => {
    answer.data.me.permissions = 1;
    return { json: answer };
  });
  await page.reload();
  await heading(page, 'This page cannot be shown').waitFor();
  await page.unrouteAll({ behavior: 'wait' });
  await page.getByRole('button', { name: 'Try again' }).click();
  await row(page, 'reader@example.org').waitFor();
  only(faults, 'is not a function');
  await context.close();
});

test('the explorer keeps its header and is tried again', async () => {
  const { page, context, faults } = await open('/healthz');
  await page.addInitScript(() => {
    const find = document.querySelector;
    document.querySelector = (selector) => {
      if (selector === '.graphiql-container' && !sessionStorage.getItem('whole')) throw new Error('broken on purpose');
      return find.call(document, selector);
    };
  });
  await page.goto(new URL('/graphql', page.url()).href);
  await heading(page, 'The explorer cannot be shown').waitFor();
  await isAccessible(page, 'a broken explorer');
  await picture(page, 'broken-explorer');
  await page.getByRole('link', { name: 'Dashboard' }).waitFor();
  await page.evaluate(() => sessionStorage.setItem('whole', 'yes'));
  await page.getByRole('button', { name: 'Try again' }).click();
  await page.getByRole('button', { name: /Execute query/ }).waitFor();
  only(faults, 'broken on purpose');
  await context.close();
});
