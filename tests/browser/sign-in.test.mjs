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
  const refreshes = [];
  context.on('request', (request) => request.postData()?.includes('mutation Refresh') && refreshes.push(request));
  // As if the access token had expired meanwhile.
  await page.evaluate(() => {
    const kept = JSON.parse(localStorage.getItem('voicehive-tokens'));
    localStorage.setItem('voicehive-tokens', JSON.stringify({ ...kept, expiresAt: 0 }));
  });
  await Promise.all([page, other].map((tab) => tab.getByRole('link', { name: 'Roles' }).click()));
  await Promise.all([page, other].map((tab) => heading(tab, 'Roles').waitFor()));
  await Promise.all([page, other].map((tab) => tab.getByRole('rowheader', { name: /user:view/ }).waitFor()));
  assert.equal(refreshes.length, 1);
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
