// Every page in light and dark, wide and narrow: it shows what it is for, and screen readers can read it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api, heading, isAccessible, open, openAs, picture, rest } from './support.mjs';

const PAGES = {
  users: 'Users',
  roles: 'Roles',
  hotels: 'Hotels',
  'hotels/hotel:hotel-001': 'VoiceHive Demo Hotel Berlin',
  sessions: 'Sessions',
  audit: 'Audit',
  'api-keys': 'API keys',
  account: 'My account',
};

for (const colorScheme of ['light', 'dark']) {
  test(`every page is accessible in ${colorScheme}`, async () => {
    const stranger = await open('/admin/', { colorScheme });
    await stranger.page.getByLabel('Password').waitFor();
    await isAccessible(stranger.page, 'sign-in');
    await picture(stranger.page, `sign-in-${colorScheme}`);
    await stranger.context.close();

    const { user } = await api('admin@example.org', '{ user(by: {email: "reader@example.org"}) { id } }');
    const { page, context, faults } = await openAs('admin@example.org', '/admin/users', { colorScheme });
    for (const [path, name] of Object.entries({ ...PAGES, [`users/${user.id}`]: 'Rita Reader' })) {
      await page.goto(new URL(path, new URL('/admin/', page.url())).href);
      await heading(page, name).waitFor();
      await rest(page);
      await isAccessible(page, path);
      await picture(page, `${path.replace(/\/.*/, '-one')}-${colorScheme}`);
    }
    await page.goto(new URL('/admin/users', page.url()).href);
    await page.getByRole('button', { name: 'Add a user' }).click();
    await page.getByRole('dialog').getByLabel('Guest').waitFor();
    await isAccessible(page, 'adding a user');
    await picture(page, `adding-a-user-${colorScheme}`);
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    assert.deepEqual(faults, []);
    await context.close();
  });
}

test('a narrow screen shows the same', async () => {
  const { page, context, faults } = await openAs('admin@example.org', '/admin/users', { width: 390, height: 800 });
  await rest(page);
  await isAccessible(page, 'narrow');
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
  assert.ok(wider <= 0, `${wider} pixels too wide`);
  await picture(page, 'users-narrow');
  assert.deepEqual(faults, []);
  await context.close();
});

test('the keyboard reaches a user and comes back', async () => {
  const { page, context, faults } = await openAs('admin@example.org', '/admin/users?q=reader');
  await page.getByRole('row').filter({ hasText: 'reader@example.org' }).waitFor();
  await page.getByLabel('Search').focus();
  await page.getByRole('button', { name: 'Clear', exact: true }).focus();
  await page.keyboard.press('Tab');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
  await heading(page, 'Rita Reader').waitFor();
  await page.goBack();
  await heading(page, 'Users').waitFor();
  assert.equal(await page.getByLabel('Search').inputValue(), 'reader');
  assert.deepEqual(faults, []);
  await context.close();
});

test('the first page costs less than 250 KB', async () => {
  const { page, context } = await openAs('admin@example.org');
  await rest(page);
  const bytes = await page.evaluate(() =>
    [...performance.getEntriesByType('resource'), ...performance.getEntriesByType('navigation')]
      .filter(({ name }) => name.includes('/admin'))
      .reduce((sum, { encodedBodySize }) => sum + encodedBodySize, 0),
  );
  console.log(`The first page takes ${Math.round(bytes / 1000)} KB`);
  assert.ok(bytes > 0 && bytes < 250_000, `${bytes} bytes`);
  await context.close();
});
