// Signing in and out, and what one is told when it does not work.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heading, open, openAs, PASSWORD, rest, signIn } from './support.mjs';

test('a wrong password is told plainly, the right one lets in', async () => {
  const { page, context, faults } = await open('/admin/');
  const password = page.getByLabel('Password');
  assert.equal(await password.getAttribute('type'), 'password');
  assert.equal(await password.getAttribute('autocomplete'), 'current-password');
  await signIn(page, 'admin@example.org', 'not the password');
  await page.getByRole('alert').getByText('Email or password is wrong').waitFor();
  await page.getByLabel('Password').fill(PASSWORD);
  await page.getByRole('button', { name: 'Sign in', exact: true }).click();
  await heading(page, 'Users').waitFor();
  await page.reload();
  await heading(page, 'Users').waitFor();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await page.getByLabel('Password').waitFor();
  await page.reload();
  await page.getByLabel('Password').waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test('who is locked out reads for how long', async () => {
  const { page, context, faults } = await open('/admin/');
  for (let attempt = 0; attempt < 5; attempt += 1) {
    const answered = page.waitForResponse((response) => response.url().endsWith('/graphql'));
    await signIn(page, 'clumsy@example.org', `guess number ${attempt}`);
    await answered;
    await page.getByRole('button', { name: 'Sign in', exact: true, disabled: false }).waitFor();
  }
  await signIn(page, 'clumsy@example.org');
  await page.getByRole('alert').getByText(/Try again in \d+ minutes/).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test('tabs refresh their tokens together, and nobody is signed out', async () => {
  const { page, context, faults } = await openAs('reader@example.org');
  const other = await context.newPage();
  await other.goto(page.url());
  await heading(other, 'Users').waitFor();
  await Promise.all([rest(page), rest(other)]);
  // Answered late enough for the other tab to need one, too.
  let clicked;
  const refreshes = { begun: 0, underWay: 0, atOnce: 0 };
  await context.route('**/graphql', async (route) => {
    if (!route.request().postData()?.includes('mutation Refresh')) return route.fallback();
    refreshes.begun += 1;
    refreshes.underWay += 1;
    refreshes.atOnce = Math.max(refreshes.atOnce, refreshes.underWay);
    const response = await route.fetch();
    await clicked;
    await new Promise((resolve) => setTimeout(resolve, 700));
    refreshes.underWay -= 1;
    return route.fulfill({ response });
  });
  const kept = (tab) => tab.evaluate(() => JSON.parse(localStorage.getItem('voicehive-tokens')));
  const before = await kept(page);
  // As if the access token had expired meanwhile.
  await page.evaluate((tokens) => localStorage.setItem('voicehive-tokens', JSON.stringify({ ...tokens, expiresAt: 0 })), before);
  await other.waitForFunction(() => JSON.parse(localStorage.getItem('voicehive-tokens')).expiresAt === 0);
  clicked = Promise.all([page, other].map((tab) => tab.getByRole('link', { name: 'Roles' }).click()));
  await clicked;
  await Promise.all([page, other].map((tab) => heading(tab, 'Roles').waitFor()));
  await Promise.all([page, other].map((tab) => tab.getByRole('rowheader', { name: /user:view/ }).waitFor()));
  // They take turns. A browser may show one tab only later what the other has kept: then the service gives it the same tokens again.
  assert.equal(refreshes.atOnce, 1);
  assert.ok(refreshes.begun <= 2, `${refreshes.begun} refreshes`);
  let [after, others] = [null, undefined];
  for (const deadline = Date.now() + 20_000; JSON.stringify(after) !== JSON.stringify(others); ) {
    assert.ok(Date.now() < deadline, 'the tabs hold different tokens');
    [after, others] = await Promise.all([page, other].map(kept));
  }
  assert.equal(after.session, before.session);
  assert.notEqual(after.refreshToken, before.refreshToken);
  for (const tab of [page, other]) {
    await tab.reload();
    await tab.getByRole('rowheader', { name: /user:view/ }).waitFor();
  }
  assert.deepEqual(await kept(other), after);
  assert.deepEqual(faults, []);
  await context.close();
});

test('one changes one\'s own password and is told at the field what is wrong with it', async () => {
  const { page, context, faults } = await openAs('changing@example.org', '/admin/account');
  await heading(page, 'Password').waitFor();
  const change = async (current, next) => {
    await page.getByLabel('Current password').fill(current);
    await page.getByLabel('New password').fill(next);
    await page.getByRole('button', { name: 'Change password' }).click();
  };
  await change(PASSWORD, 'password1');
  const field = page.getByLabel('New password');
  await page.waitForFunction((input) => input.getAttribute('aria-invalid') === 'true', await field.elementHandle());
  assert.match(await field.getAttribute('aria-describedby'), /./);
  await change(PASSWORD, 'a sentence nobody guesses');
  await page.getByRole('status').getByText('Your password has been changed.').waitFor();
  await page.getByRole('button', { name: 'Sign out', exact: true }).click();
  await signIn(page, 'changing@example.org', 'a sentence nobody guesses');
  await heading(page, 'My account').waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});
