// Forms, ticks and dialogs at the speed of people, with answers that come late: nothing of one person stands at another's, nothing
// that was typed is lost, and what the service refuses is told.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answering, api, heading, openAs, picture, rest, row, typeLike } from './support.mjs';

const ADMIN = 'admin@example.org';
/** How late an answer comes, in milliseconds: several keys. */
const LATE = 700;
const late = (page, operation) => answering(page, operation, () => new Promise((resolve) => setTimeout(resolve, LATE, {})));
/** Answers as if the service had refused the mutation. */
const refusing = (page, operation, field, error) =>
  answering(page, operation, () => ({ json: { data: { [field]: { __typename: 'Refused', ...error.data, errors: error.errors } } } }));

const names = { Łukasz: 'Wiśniewski', Özlem: 'Åberg', ΜΑΡΊΑ: 'Παπαδοπούλου' };
let made = 0;
/** A person of these names, by id. */
async function person(firstName) {
  made += 1;
  const email = `person.${made}.${process.pid}@example.org`;
  const create = 'mutation($input: CreateUserInput!) { createUser(input: $input) { user { id } errors { message } } }';
  const { createUser } = await api(ADMIN, create, { input: { email, firstName, lastName: names[firstName] } });
  assert.deepEqual(createUser.errors, []);
  return { id: createUser.user.id, email };
}
const titleOf = async (email) => (await api(ADMIN, 'query($email: String!) { user(by: { email: $email }) { displayName } }', { email })).user.displayName;
const USER = 'query($id: ID!) { user(by: { id: $id }) { id email firstName lastName hotelScope } }';
const asKept = async ({ id }) => (await api(ADMIN, USER, { id })).user;
const values = async (page) => Promise.all(['First name', 'Last name', 'Email'].map((label) => page.getByLabel(label, { exact: true }).inputValue()));

test('the form of one person never holds what belongs to another', async () => {
  const [lukasz, admin] = [await person('Łukasz'), (await api(ADMIN, '{ me { id email displayName firstName lastName } }')).me];
  const before = await asKept(admin);
  const { page, context, faults } = await openAs(ADMIN, `/admin/users/${lukasz.id}`);
  await heading(page, 'Łukasz Wiśniewski').waitFor();
  await page.getByLabel('First name').click();
  await typeLike(page, 'Ł');
  await late(page, 'User');
  // Whoever made the account: another user's page, without this one being loaded anew.
  await page.getByRole('grid', { name: 'Activity of this user' }).getByRole('link', { name: admin.displayName }).first().click();
  await page.waitForURL(`**/users/${admin.id}`);
  for (let round = 0; round < 2; round += 1) {
    await heading(page, admin.displayName).waitFor();
    assert.deepEqual(await values(page), [admin.firstName ?? '', admin.lastName ?? '', ADMIN]);
    await page.goBack();
    await heading(page, 'Łukasz Wiśniewski').waitFor();
    assert.deepEqual(await values(page), ['Łukasz', 'Wiśniewski', lukasz.email]);
    await page.goForward();
  }
  await heading(page, admin.displayName).waitFor();
  await page.getByLabel('Last name').fill('');
  await typeLike(page, 'ΜΑΡΊΑ');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('status').getByText('The profile has been changed.').waitFor();
  assert.deepEqual(await asKept(admin), { ...before, lastName: 'ΜΑΡΊΑ' });
  assert.deepEqual(await asKept(lukasz), { id: lukasz.id, email: lukasz.email, firstName: 'Łukasz', lastName: 'Wiśniewski', hotelScope: 'ASSIGNED' });
  await api(ADMIN, 'mutation($input: UpdateUserInput!) { updateUser(input: $input) { errors { message } } }', { input: { id: admin.id, lastName: before.lastName } });
  assert.deepEqual(faults, []);
  await context.close();
});

test('what was not changed in a form is not saved over what others changed', async () => {
  const ozlem = await person('Özlem');
  const { page, context, faults } = await openAs(ADMIN, `/admin/users/${ozlem.id}`);
  await heading(page, 'Özlem Åberg').waitFor();
  const update = 'mutation($input: UpdateUserInput!) { updateUser(input: $input) { errors { message } } }';
  await api(ADMIN, update, { input: { id: ozlem.id, lastName: 'Öztürk' } });
  await page.getByLabel('First name').press('End');
  await typeLike(page, ' Çağla');
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('status').getByText('The profile has been changed.').waitFor();
  const { firstName, lastName } = await asKept(ozlem);
  assert.deepEqual([firstName, lastName], ['Özlem Çağla', 'Öztürk']);
  assert.deepEqual(faults, []);
  await context.close();
});

const FIELDS = [
  ['users', 'Search', 'q', 'Users'],
  ['hotels', 'Search', 'q', 'Hotels'],
  ['audit', 'Request', 'request', 'AuditEvents'],
];
for (const [path, label, name, operation] of FIELDS) {
  test(`every letter that is typed stays: ${path}`, async () => {
    const { page, context, faults } = await openAs(ADMIN, `/admin/${path}`);
    await rest(page);
    await late(page, operation);
    const field = page.getByLabel(label);
    await field.click();
    let typed = '';
    for (const word of ['Łukasz', ' Özlem', ' ΜΑΡΊΑ']) {
      await typeLike(page, word);
      typed += word;
      assert.equal(await field.inputValue(), typed);
    }
    await page.waitForURL((address) => address.searchParams.get(name) === typed);
    for (let left = typed.length - 1; left >= 0; left -= 1) await page.keyboard.press('Backspace', { delay: 40 });
    assert.equal(await field.inputValue(), '');
    // Before the address has followed.
    await typeLike(page, 'Öz');
    await page.keyboard.type('l');
    await page.getByLabel(path === 'audit' ? 'Outcome' : 'Status').selectOption({ index: 1 });
    await page.waitForURL((address) => address.searchParams.get(name) === 'Özl' && address.searchParams.size === 2);
    assert.equal(await field.inputValue(), 'Özl');
    await page.reload();
    await rest(page);
    assert.equal(await field.inputValue(), 'Özl');
    assert.deepEqual(faults, []);
    await context.close();
  });
}

test('what is cleared stays cleared, and what was looked for is there when one comes back', async () => {
  const { page, context, faults } = await openAs(ADMIN, '/admin/users');
  await rest(page);
  await late(page, 'Users');
  const field = page.getByLabel('Search');
  await field.click();
  await typeLike(page, 'Özle');
  await page.keyboard.type('m');
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
  await row(page, 'clumsy@example.org').waitFor();
  await rest(page);
  assert.equal(await field.inputValue(), '');
  assert.equal(new URL(page.url()).search, '');
  await field.click();
  await typeLike(page, 'clum');
  await page.keyboard.type('sy');
  await row(page, 'clumsy@example.org').getByRole('gridcell').nth(1).click();
  await heading(page, await titleOf('clumsy@example.org')).waitFor();
  await page.goBack();
  await row(page, 'clumsy@example.org').waitFor();
  assert.equal(await field.inputValue(), 'clumsy');
  assert.deepEqual(faults, []);
  await context.close();
});

test('a hotel is found by typing, however late the answers come', async () => {
  const { page, context, faults } = await openAs(ADMIN, '/admin/users');
  await rest(page);
  await late(page, 'HotelChoices');
  const field = page.getByRole('combobox', { name: 'Hotel' });
  await field.click();
  await typeLike(page, 'Demo Hotel Ber');
  assert.equal(await field.inputValue(), 'Demo Hotel Ber');
  await page.getByRole('option', { name: /Berlin/ }).click();
  await page.waitForURL(/hotel=/);
  await row(page, 'colleague@hotel1.com').waitFor();
  assert.equal(await field.inputValue(), 'VoiceHive Demo Hotel Berlin');
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
  await page.waitForFunction((input) => input.value === '' && location.search === '', await field.elementHandle());
  assert.deepEqual(faults, []);
  await context.close();
});

test('a form outlives an answer that does not come', async () => {
  const maria = await person('ΜΑΡΊΑ');
  const { page, context, faults } = await openAs(ADMIN, `/admin/users/${maria.id}`);
  await heading(page, 'ΜΑΡΊΑ Παπαδοπούλου').waitFor();
  await rest(page);
  await page.getByLabel('Last name').fill('');
  await page.getByLabel('Last name').click();
  await typeLike(page, 'Ελέ');
  let asked = 0;
  await page.route('**/graphql', (route) => {
    asked += 1;
    return route.abort();
  });
  // The shell looks whether the session goes on.
  await page.evaluate(() => dispatchEvent(new Event('focus')));
  await typeLike(page, 'νη');
  assert.ok(asked > 0);
  assert.equal(await page.getByLabel('Last name').inputValue(), 'Ελένη');
  await page.unrouteAll({ behavior: 'wait' });
  await page.getByRole('button', { name: 'Save' }).click();
  await page.getByRole('status').getByText('The profile has been changed.').waitFor();
  assert.equal((await asKept(maria)).lastName, 'Ελένη');
  assert.deepEqual(faults.filter((fault) => !fault.includes('ERR_FAILED')), []);
  await context.close();
});

test('each of several ticks in a row counts, and a refusal is told', async () => {
  const name = `NIGHT_${process.pid}_${Date.now() % 1_000_000}`;
  const create = 'mutation($input: CreateRoleInput!) { createRole(input: $input) { role { id } errors { message } } }';
  const { role } = (await api(ADMIN, create, { input: { name, displayName: name } })).createRole;
  const granted = async () => (await api(ADMIN, 'query($id: ID!) { role(by: { id: $id }) { permissions } }', { id: role.id })).role.permissions;
  const { page, context, faults } = await openAs(ADMIN, '/admin/roles');
  await late(page, 'UpdateRole');
  await page.getByRole('checkbox', { name: `${name}: user:view` }).waitFor();
  const all = (await page.getByRole('checkbox', { name: new RegExp(`^${name}: `) }).all()).slice(0, 5);
  assert.equal(all.length, 5);
  for (const [index, box] of all.entries()) {
    await box.click();
    await page.waitForTimeout([40, 180, 90, 130][index % 4]);
  }
  await page.getByRole('status').getByText(`What ${name} grants has been changed.`).waitFor();
  assert.equal((await granted()).length, 5);
  for (const box of all) assert.ok(await box.isChecked());
  // One more, at once after the answer.
  await all[0].click();
  await page.waitForTimeout(40);
  await all[1].click();
  for (const deadline = Date.now() + 20_000; (await granted()).length !== 3; ) assert.ok(Date.now() < deadline, String(await granted()));
  await rest(page);

  await page.unrouteAll({ behavior: 'wait' });
  await refusing(page, 'UpdateRole', 'updateRole', { data: { role: null }, errors: [{ __typename: 'MutationError', code: 'FORBIDDEN', message: 'not while the house is full', path: ['input', 'permissions', '0'] }] });
  await all[2].click();
  await page.getByRole('alert').getByText('not while the house is full').waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test('"all" is all that one saw', async () => {
  const { page, context, faults } = await openAs(ADMIN, '/admin/users?q=guest.00001');
  await row(page, 'guest.00001').first().waitFor();
  await rest(page);
  const all = page.getByRole('columnheader').first().getByRole('checkbox');
  await all.click({ force: true });
  const chosen = page.getByText(/users? chosen/);
  await page.getByText('50 users chosen').waitFor();
  await page.getByRole('grid', { name: 'Users' }).evaluate((table) => {
    table.scrollTop = table.scrollHeight;
  });
  await page.waitForFunction(() => [...document.querySelectorAll('[role=row]')].some((row) => Number(row.getAttribute('aria-rowindex')) > 52));
  await page.getByText('50 users chosen').waitFor();
  await late(page, 'Users');
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
  await chosen.waitFor({ state: 'hidden' });
  await row(page, 'clumsy@example.org').waitFor();
  await rest(page);
  assert.equal(await chosen.count(), 0);
  assert.equal(await page.getByRole('row', { selected: true }).count(), 0);
  assert.deepEqual(faults, []);
  await context.close();
});

/** Waits until a text is there and not scrolled out of sight. */
async function seen(locator) {
  await locator.waitFor();
  await locator.page().waitForFunction(
    (element) => {
      const { x, y, width, height } = element.getBoundingClientRect();
      return element.contains(document.elementFromPoint(x + width / 2, y + height / 2));
    },
    await locator.elementHandle(),
  );
}

/** What is opened, what is sent, where the refusal points, and the mutation's field. */
const REFUSALS = [
  ['Take roles', 'users?q=clumsy', 'UnassignRoles', 'unassignRoles', { users: null }, ['roles', 'users', 'nothing we know']],
  ['Give hotels', 'users?q=clumsy', 'AssignHotels', 'assignHotels', { users: null }, ['hotels', 'users']],
  ['Make', 'api-keys', 'CreateApiKey', 'createApiKey', { apiKey: null, secret: null }, ['permissions', 'hotelScope', 'hotels', 'expiresAt', 'name', '']],
];
for (const [label, path, operation, field, data, fields] of REFUSALS) {
  test(`what the service refuses is told: ${label}`, async () => {
    const { page, context, faults } = await openAs(ADMIN, `/admin/${path}`);
    if (path === 'api-keys') await page.getByRole('button', { name: 'Make a key' }).click();
    else {
      await row(page, 'clumsy@example.org').getByRole('checkbox').click({ force: true });
      await page.getByRole('button', { name: `${label}…` }).click();
    }
    const dialog = page.getByRole('dialog');
    const submit = dialog.getByRole('button', { name: label, exact: true });
    for (const name of fields) {
      const message = `refused because of ${name || 'everything'}`;
      await refusing(page, operation, field, { data, errors: [{ __typename: 'MutationError', code: 'FORBIDDEN', message, path: name === '' ? [] : ['input', name, '0'] }] });
      await submit.click();
      await seen(dialog.getByText(message));
    }
    await page.unrouteAll({ behavior: 'wait' });
    await answering(page, operation, () => ({ json: { errors: [{ message: 'something went wrong', extensions: { code: 'INTERNAL' } }] } }));
    await submit.click();
    await seen(dialog.getByRole('alert').getByText(/something went wrong \(request .+\)/));
    await picture(page, `refused-${operation}`);
    assert.deepEqual(faults, []);
    await context.close();
  });
}

test('signing out everywhere tells when it is refused', async () => {
  const { page, context, faults } = await openAs(ADMIN, '/admin/account');
  await refusing(page, 'SignOutEverywhere', 'logout', { data: { revokedSessions: null }, errors: [{ __typename: 'MutationError', code: 'FORBIDDEN', message: 'not now', path: [] }] });
  await page.getByRole('button', { name: 'Sign out everywhere' }).click();
  await page.getByRole('alert').getByText('not now').waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

const SECRETS = {
  'a temporary password': {
    open: async (page) => {
      const { id } = await person('Özlem');
      await page.goto(new URL(`/admin/users/${id}`, page.url()).href);
      await page.getByRole('button', { name: 'Reset password' }).click();
    },
    operation: 'ResetUserPassword',
    submit: 'Reset password',
  },
  "a new user's password": {
    open: async (page) => {
      await page.getByRole('button', { name: 'Add a user' }).click();
      await page.getByRole('dialog').getByLabel('Email', { exact: true }).fill(`new.${process.pid}.${Date.now()}@example.org`);
    },
    operation: 'CreateUser',
    submit: 'Add',
  },
  'an API key': {
    open: async (page) => {
      await page.getByRole('link', { name: 'API keys' }).click();
      await page.getByRole('button', { name: 'Make a key' }).click();
      const dialog = page.getByRole('dialog');
      await dialog.getByLabel('Name', { exact: true }).fill('Switchboard');
      await dialog.getByLabel('Service', { exact: true }).fill('calls');
      await dialog.getByRole('checkbox', { name: /user:view/ }).check();
      await dialog.getByLabel('Reaches').selectOption({ label: 'Every hotel' });
    },
    operation: 'CreateApiKey',
    submit: 'Make',
  },
};
for (const [what, { open, operation, submit }] of Object.entries(SECRETS)) {
  test(`nobody loses ${what} by a click beside it or by Escape`, async () => {
    const { page, context, faults } = await openAs(ADMIN);
    await rest(page);
    await open(page);
    await late(page, operation);
    const dialog = page.getByRole('dialog');
    const beside = () => page.mouse.click(8, 8);
    await dialog.getByRole('button', { name: submit, exact: true }).click();
    // While the answer is on its way.
    await beside();
    await page.keyboard.press('Escape');
    const secret = await dialog.locator('output').innerText();
    for (const leave of [beside, () => page.keyboard.press('Escape')]) {
      await leave();
      await dialog.getByRole('alert').getByText('It is shown this once.').waitFor();
      await picture(page, `asks-${operation}`);
      assert.equal(await dialog.locator('output').innerText(), secret);
      await dialog.getByRole('button', { name: 'Stay' }).click();
      assert.equal(await dialog.getByRole('alert').count(), 0);
    }
    await beside();
    await dialog.getByRole('button', { name: 'Close and lose it' }).click();
    await dialog.waitFor({ state: 'hidden' });
    assert.deepEqual(faults, []);
    await context.close();
  });
}

test('what was typed into a dialog is not lost by a click beside it', async () => {
  const { page, context, faults } = await openAs(ADMIN);
  await page.getByRole('button', { name: 'Add a user' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('First name').click();
  await typeLike(page, 'Łukasz');
  await page.mouse.click(8, 8);
  await dialog.getByRole('alert').getByText('What you typed is not saved.').waitFor();
  await dialog.getByRole('button', { name: 'Stay' }).click();
  assert.equal(await dialog.getByLabel('First name').inputValue(), 'Łukasz');
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await page.getByRole('button', { name: 'Add a user' }).click();
  assert.equal(await dialog.getByLabel('First name').inputValue(), '');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  assert.deepEqual(faults, []);
  await context.close();
});
