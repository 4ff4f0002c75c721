// The list of users, and what is done to them from it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api, heading, openAs, rest, row } from './support.mjs';

test('the list is searched as one types, and the search stands in the address bar', async () => {
  const { page, context, faults } = await openAs('admin@example.org');
  await rest(page);
  await page.getByLabel('Search').pressSequentially('guest 0000123');
  await row(page, 'guest.0000123@').waitFor();
  await page.waitForFunction(() => document.querySelectorAll('[role=row]').length === 2);
  assert.equal(new URL(page.url()).searchParams.get('q'), 'guest 0000123');
  await page.reload();
  await row(page, 'guest.0000123@').waitFor();
  assert.equal(await page.getByLabel('Search').inputValue(), 'guest 0000123');
  await page.getByLabel('Search').fill('nobody is called this');
  await page.getByText('No user matches.').waitFor();
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
  await row(page, 'reader@example.org').waitFor();
  await page.getByLabel('Role').selectOption({ label: 'System administrator' });
  await row(page, 'admin@example.org').waitFor();
  await page.waitForFunction(() => document.querySelectorAll('[role=row]').length === 3);
  assert.deepEqual(faults, []);
  await context.close();
});

test('the list has no end, is sorted, and holds only the rows in sight', async () => {
  const { page, context, faults } = await openAs('admin@example.org', '/admin/users?sort=EMAIL&direction=ASC');
  await rest(page);
  const table = page.getByRole('grid', { name: 'Users' });
  await page.getByText('more than').or(page.getByText(/^3,0\d\d$/)).waitFor();
  let last = 0;
  for (let wanted = 200; wanted <= 1_000; wanted += 200) {
    await page.waitForFunction(
      ([table, wanted]) => {
        table.scrollTop = table.scrollHeight;
        return [...table.querySelectorAll('[role=row]')].some((row) => Number(row.getAttribute('aria-rowindex')) > wanted);
      },
      [await table.elementHandle(), wanted],
    );
    last = wanted;
  }
  assert.equal(last, 1_000);
  const rows = await table.getByRole('row').count();
  assert.ok(rows < 100, `${rows} rows are in the page`);
  const emails = await table.getByRole('row').filter({ hasText: 'guest.' }).allInnerTexts();
  const found = emails.map((text) => /guest\.(\d+)@/.exec(text)?.[1]).filter(Boolean);
  assert.deepEqual(found, [...found].sort());
  await page.getByRole('columnheader', { name: 'Email' }).click();
  await page.waitForURL(/direction=DESC/);

  await row(page, 'guest.0003000@').waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test('roles are given to several users at once', async () => {
  const { page, context, faults } = await openAs('admin@example.org', '/admin/users?q=guest.000000');
  await row(page, 'guest.0000002@').waitFor();
  for (const email of ['guest.0000002@', 'guest.0000004@']) await row(page, email).getByRole('checkbox').click({ force: true });
  await page.getByText('2 users chosen').waitFor();
  await page.getByRole('button', { name: 'Give roles…' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Hotel staff').check();
  await dialog.getByRole('button', { name: 'Give roles' }).click();
  await page.getByRole('status').getByText('done for 2 users').waitFor();
  await row(page, 'guest.0000002@').getByText('Hotel staff').waitFor();
  const { users } = await api(
    'admin@example.org',
    '{ users(filter: {search: "guest.000000"}) { nodes { email roles { name } } } }',
  );
  const staff = users.nodes.filter(({ roles }) => roles.some(({ name }) => name === 'HOTEL_STAFF'));
  assert.deepEqual(staff.map(({ email }) => email).sort(), ['guest.0000002@example.org', 'guest.0000004@example.org']);
  assert.deepEqual(faults, []);
  await context.close();
});

test('a user is added, told what is wrong first, and deactivated', async () => {
  const { page, context, faults } = await openAs('admin@example.org');
  await page.getByRole('button', { name: 'Add a user' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Email', { exact: true }).fill('guest.0000001@example.org');
  await dialog.getByLabel('First name').fill('Nora');
  await dialog.getByLabel('Last name').fill('Berg');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await page.waitForFunction(() => document.querySelector('[role=dialog] input[name=email]').getAttribute('aria-invalid') === 'true');
  await dialog.getByLabel('Email', { exact: true }).fill('nora.berg@example.org');
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await dialog.getByRole('heading', { name: 'Nora Berg was added' }).waitFor();
  assert.match(await dialog.locator('output').innerText(), /^\S{20}$/);
  await dialog.getByRole('link', { name: 'Show Nora Berg' }).click();
  await heading(page, 'Nora Berg').waitFor();
  await page.getByRole('button', { name: 'Deactivate' }).click();
  await page.getByRole('dialog').getByLabel('Reason').fill('The season is over');
  await page.getByRole('dialog').getByRole('button', { name: 'Deactivate' }).click();
  await page.getByText('Deactivated', { exact: true }).waitFor();
  await page.getByRole('button', { name: 'Reactivate' }).waitFor();
  await page.getByRole('grid', { name: 'Activity of this user' }).getByText('User deactivated').waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test('the staff of one hotel see it and its people alone', async () => {
  const { page, context, faults } = await openAs('manager@hotel1.com', '/admin/users', { password: 'manager123' });
  await row(page, 'manager@hotel1.com').waitFor();
  await row(page, 'colleague@hotel1.com').waitFor();
  assert.equal(await page.getByRole('row').count(), 3);
  assert.equal(await page.getByRole('button', { name: 'Add a user' }).count(), 0);
  assert.equal(await page.getByRole('link', { name: 'API keys' }).count(), 0);
  await page.getByRole('link', { name: 'Hotels' }).click();
  await row(page, 'hotel-001').waitFor();
  assert.equal(await page.getByRole('row').count(), 2);
  assert.deepEqual(faults, []);
  await context.close();
});
