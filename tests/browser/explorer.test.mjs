// The explorer: one signs in by a form, and every example runs as it stands.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAccessible, open, openAs, picture, signIn } from './support.mjs';

/** The text of one of the explorer's editors: operation.graphql, variables.json or response.json. */
const textOf = (page, name) => page.evaluate((name) => globalThis.__MONACO.editor.getModels().find(({ uri }) => uri.path.endsWith(name)).getValue(), name);

const waitForText = (page, name, part) =>
  page.waitForFunction(
    ([name, part]) => globalThis.__MONACO?.editor.getModels().find(({ uri }) => uri.path.endsWith(name))?.getValue().includes(part),
    [name, part],
  );

/** Brings a tab to the front and runs what it holds; the answer. */
async function run(page, index, operation) {
  await page.locator(`#graphiql-session-tab-${index}`).click();
  await waitForText(page, 'operation.graphql', operation);
  // The explorer writes the id of whoever is signed in.
  if (operation === 'CheckAccess') await waitForText(page, 'variables.json', '"user:');
  // GraphiQL takes a moment to see which operation the editor holds; whoever is quicker asks for the one before.
  let response;
  do {
    const answered = page.waitForResponse((response) => response.request().postData()?.includes(` ${operation}`));
    await page.getByRole('button', { name: /Execute query/ }).click();
    response = await answered;
  } while (response.request().postDataJSON().operationName !== operation);
  const answer = await response.json();
  await waitForText(page, 'response.json', answer.extensions.requestId);
  return answer;
}

const EXAMPLES = ['SignIn', 'PageOfUsers', 'UserHotelAccess', 'CheckAccess'];

for (const colorScheme of ['light', 'dark']) {
  test(`signs in and runs each example in ${colorScheme}`, async () => {
    const { page, context, faults } = await open('/graphql', { colorScheme });
    await waitForText(page, 'operation.graphql', 'SignIn');
    await isAccessible(page, 'explorer, signed out');
    await signIn(page, 'admin@voicehive-hotels.eu', 'not the password');
    await page.locator('header').getByRole('alert').filter({ hasText: /./ }).waitFor();
    await signIn(page, 'admin@voicehive-hotels.eu', 'admin123');
    await page.getByText('Signed in as').waitFor();
    for (const [index, operation] of EXAMPLES.entries()) {
      const { data, errors } = await run(page, index, operation);
      assert.equal(errors, undefined, operation);
      assert.ok(Object.values(data).every((value) => value !== null), JSON.stringify(data));
      await picture(page, `explorer-${operation}-${colorScheme}`);
    }
    assert.match(await textOf(page, 'response.json'), /GRANTED/);
    await page.locator('.graphiql-doc-explorer').getByText('Query').first().waitFor();
    await isAccessible(page, 'explorer, signed in');
    assert.ok(!(await page.evaluate(() => Object.entries(localStorage).filter(([key]) => key.startsWith('graphiql')).join())).includes('eyJ'));
    // What was asked too quickly, see above.
    assert.deepEqual(faults.filter((fault) => !fault.includes('status of 400')), []);
    await context.close();
  });
}

test('who is signed in to the dashboard is signed in here', async () => {
  const { page, context, faults } = await openAs('admin@example.org');
  await page.getByRole('link', { name: 'API explorer' }).click();
  await page.getByText('Signed in as').waitFor();
  await page.getByRole('link', { name: 'Dashboard' }).click();
  await page.getByRole('navigation', { name: 'Pages' }).waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});
