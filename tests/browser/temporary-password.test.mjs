// Where nothing else may be done before a temporary password is changed: as it is in production.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { api, heading, isAccessible, open, openAs, picture, signIn } from './support.mjs';

test('who has a temporary password is led to changing it, and then goes on', async () => {
  const reset = 'mutation($input: ResetUserPasswordInput!) { resetUserPassword(input: $input) { temporaryPassword errors { code } } }';
  const { user } = await api('admin@example.org', '{ user(by: { email: "changing@example.org" }) { id } }');
  const { temporaryPassword } = (await api('admin@example.org', reset, { input: { id: user.id } })).resetUserPassword;

  const { page, context, faults } = await openAs('changing@example.org', '/admin/users', { password: temporaryPassword });
  await page.getByRole('status').getByText('Your password is a temporary one.').waitFor();
  const link = page.getByRole('alert').getByRole('link', { name: 'Change the password' });
  await link.waitFor();
  await picture(page, 'temporary-password');
  await link.click();
  await heading(page, 'Password').waitFor();
  await isAccessible(page, 'account with a temporary password');
  await page.getByLabel('Current password').fill(temporaryPassword);
  await page.getByLabel('New password').fill('a sentence nobody guesses');
  await page.getByRole('button', { name: 'Change password' }).click();
  await page.getByRole('status').getByText('Your password has been changed.').waitFor();
  await page.getByText('Your password is a temporary one.').first().waitFor({ state: 'hidden' });
  await page.getByRole('link', { name: 'Users', exact: true }).click();
  await page.getByRole('row').nth(1).waitFor();
  // The browser itself notes each refusal, and nothing else went wrong.
  assert.deepEqual(faults.filter((fault) => !fault.includes('403')), []);
  await context.close();

  const again = await open('/admin/');
  await signIn(again.page, 'changing@example.org', 'a sentence nobody guesses');
  await heading(again.page, 'Users').waitFor();
  await again.context.close();
});
