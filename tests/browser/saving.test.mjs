// What was saved is what one sees, and the next save does not undo it; whoever made something reads how long it is good for.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answering, api, heading, isAccessible, openAs, picture, row, typeLike } from './support.mjs';

const ADMIN = 'admin@example.org';
let made = 0;
const address = (name) => `${name}.${(made += 1)}.${process.pid}@example.org`;

/** Somebody new, who may sign in with the password made. */
async function person(input) {
  const create = 'mutation($input: CreateUserInput!) { createUser(input: $input) { temporaryPassword user { id } errors { message } } }';
  const { errors, user, temporaryPassword } = (await api(ADMIN, create, { input: { email: address('person'), emailVerified: true, ...input } })).createUser;
  assert.deepEqual(errors, []);
  return { ...(await asKept(user.id)), password: temporaryPassword };
}
const USER = 'query($id: ID!) { user(by: { id: $id }) { id email emailVerified firstName lastName } }';
const asKept = async (id) => (await api(ADMIN, USER, { id })).user;
const UPDATE = 'mutation($input: UpdateUserInput!) { updateUser(input: $input) { errors { message } } }';
const update = async (input) => assert.deepEqual((await api(ADMIN, UPDATE, { input })).updateUser.errors, []);

/** Types another text into a field and saves. */
async function change(page, label, text) {
  await page.getByLabel(label, { exact: true }).fill('');
  await page.getByLabel(label, { exact: true }).click();
  await typeLike(page, text);
  await save(page);
}
async function save(page) {
  const answered = page.waitForResponse((response) => response.request().postData()?.includes('mutation UpdateUser'));
  await page.getByRole('button', { name: 'Save' }).click();
  await answered;
  await page.getByRole('button', { name: 'Save', disabled: false }).waitFor();
}
const known = (page) => page.getByRole('checkbox', { name: 'The email address is known to be theirs' });
/** What the tick says, and what the service keeps, once that is as awaited. */
async function isKept(page, id, awaited) {
  assert.deepEqual(await asKept(id), { id, ...awaited });
  assert.equal(await known(page).isChecked(), awaited.emailVerified);
}

test('a new address is as verified as the box beside it says', async () => {
  const { id, email, ...names } = await person({ firstName: 'Łukasz', lastName: 'Wiśniewski' });
  const kept = { firstName: names.firstName, lastName: names.lastName };
  const { page, context, faults } = await openAs(ADMIN, `/admin/users/${id}`);
  await heading(page, 'Łukasz Wiśniewski').waitFor();
  const [second, third] = [address('lukasz'), address('wisniewski')];
  await change(page, 'Email', second);
  await isKept(page, id, { ...kept, email: second, emailVerified: true });
  // A second save, of a name alone.
  await change(page, 'First name', 'Özlem');
  await isKept(page, id, { ...kept, firstName: 'Özlem', email: second, emailVerified: true });
  await known(page).click();
  await change(page, 'Email', third);
  await isKept(page, id, { ...kept, firstName: 'Özlem', email: third, emailVerified: false });
  await change(page, 'Last name', 'ΜΑΡΊΑ');
  await isKept(page, id, { firstName: 'Özlem', lastName: 'ΜΑΡΊΑ', email: third, emailVerified: false });
  await known(page).click();
  await save(page);
  await isKept(page, id, { firstName: 'Özlem', lastName: 'ΜΑΡΊΑ', email: third, emailVerified: true });
  assert.deepEqual(faults, []);
  await context.close();
});

test('an address of one\'s own is changed, and one stays signed in', async () => {
  const { roles } = await api(ADMIN, '{ roles(first: 100) { nodes { id name } } }');
  const { id: role } = roles.nodes.find(({ name }) => name === 'SYSTEM_ADMIN');
  const { id, email, password } = await person({ firstName: 'Özlem', lastName: 'Åberg', roles: [role], hotelScope: 'ALL' });
  const { page, context, faults } = await openAs(email, `/admin/users/${id}`, { password });
  await heading(page, 'Özlem Åberg').waitFor();
  const next = address('ozlem');
  await change(page, 'Email', next);
  await page.getByRole('status').getByText('The profile has been changed.').waitFor();
  await isKept(page, id, { email: next, emailVerified: true, firstName: 'Özlem', lastName: 'Åberg' });
  await change(page, 'First name', 'Özlem Çağla');
  await page.reload();
  await heading(page, 'Özlem Çağla Åberg').waitFor();
  await isKept(page, id, { email: next, emailVerified: true, firstName: 'Özlem Çağla', lastName: 'Åberg' });
  assert.deepEqual(faults, []);
  await context.close();
});

test('an address of one\'s own that one may not vouch for is refused, and that is told', async () => {
  const { user } = await api(ADMIN, '{ user(by: { email: "reader@example.org" }) { id } }');
  const { page, context, faults } = await openAs('reader@example.org', `/admin/users/${user.id}`);
  await heading(page, 'Rita Reader').waitFor();
  await change(page, 'Email', address('rita'));
  await page.getByRole('alert').getByText('ask another administrator').waitFor();
  assert.equal((await asKept(user.id)).email, 'reader@example.org');
  assert.deepEqual(faults, []);
  await context.close();
});

test('a second save does not undo what others changed before the first', async () => {
  const { id, email } = await person({ firstName: 'ΜΑΡΊΑ', lastName: 'Παπαδοπούλου' });
  const { page, context, faults } = await openAs(ADMIN, `/admin/users/${id}`);
  await heading(page, 'ΜΑΡΊΑ Παπαδοπούλου').waitFor();
  await update({ id, lastName: 'Öztürk', emailVerified: false });
  await change(page, 'First name', 'Ελένη');
  await isKept(page, id, { email, emailVerified: false, firstName: 'Ελένη', lastName: 'Öztürk' });
  await change(page, 'First name', 'Łucja');
  await isKept(page, id, { email, emailVerified: false, firstName: 'Łucja', lastName: 'Öztürk' });
  assert.deepEqual(faults, []);
  await context.close();
});

/** Whether a text tells an instant that lies so far ahead, in milliseconds. */
async function tells(page, text, ahead) {
  const at = Date.parse(await text.locator('time').getAttribute('datetime'));
  assert.ok(Math.abs(at - Date.now() - ahead) < 120_000, `${new Date(at).toISOString()}`);
}
const DAY = 24 * 60 * 60 * 1000;

test('a password that the administrator chose is told to be temporary, and nothing is lost by leaving', async () => {
  const { page, context, faults } = await openAs(ADMIN);
  await page.getByRole('button', { name: 'Add a user' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText(/Either must be changed at the first sign-in, within 24 hours/).waitFor();
  await dialog.getByLabel('Email', { exact: true }).click();
  await typeLike(page, address('nora'));
  await dialog.getByLabel('First name').click();
  await typeLike(page, 'Łucja');
  await dialog.getByLabel('Password').click();
  await typeLike(page, 'a sentence nobody guesses');
  // While the form shows, it does ask.
  await page.keyboard.press('Escape');
  await dialog.getByRole('alert').getByText('What you typed is not saved.').waitFor();
  await dialog.getByRole('button', { name: 'Stay' }).click();
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await dialog.getByRole('heading', { name: 'Łucja was added' }).waitFor();
  const told = dialog.getByText(/must be changed at the first sign-in, which must be before/);
  await tells(page, told, DAY);
  await isAccessible(page, 'a user was added');
  await picture(page, 'added-with-a-password');
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  // The next one is asked about as the first was.
  await page.getByRole('button', { name: 'Add a user' }).click();
  await dialog.getByLabel('First name').click();
  await typeLike(page, 'Ö');
  await page.keyboard.press('Escape');
  await dialog.getByRole('alert').getByText('What you typed is not saved.').waitFor();
  assert.deepEqual(faults, []);
  await context.close();
});

test('a password that was made is told to be temporary', async () => {
  const { id } = await person({ firstName: 'Özlem', lastName: 'Åberg' });
  const { page, context, faults } = await openAs(ADMIN);
  await page.getByRole('button', { name: 'Add a user' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByLabel('Email', { exact: true }).fill(address('made'));
  await dialog.getByRole('button', { name: 'Add', exact: true }).click();
  await tells(page, dialog.getByText(/must be changed at the first sign-in, which must be before/), DAY);
  await picture(page, 'added-with-a-password-made');
  await dialog.getByRole('button', { name: 'Close' }).click();

  await page.goto(new URL(`/admin/users/${id}`, page.url()).href);
  await page.getByRole('button', { name: 'Reset password' }).click();
  await dialog.getByText(/must be changed at the next sign-in, within 24 hours/).waitFor();
  await dialog.getByRole('button', { name: 'Reset password' }).click();
  await tells(page, dialog.getByText(/The temporary password of Özlem Åberg must be changed at the next sign-in, which must be before/), DAY);
  await picture(page, 'password-reset');
  assert.deepEqual(faults, []);
  await context.close();
});

test('a key without an end is told to end after one year', async () => {
  const { page, context, faults } = await openAs(ADMIN, '/admin/api-keys');
  await page.getByRole('button', { name: 'Make a key' }).click();
  const dialog = page.getByRole('dialog');
  const day = dialog.getByLabel('Expires on', { exact: true });
  assert.match(await described(day), /Left empty, it ends after one year/);
  await dialog.getByLabel('Name', { exact: true }).fill('Switchboard');
  await dialog.getByLabel('Service', { exact: true }).fill('calls');
  await dialog.getByRole('checkbox', { name: /user:view/ }).check();
  await dialog.getByLabel('Reaches', { exact: true }).selectOption({ label: 'Every hotel' });
  await dialog.getByRole('button', { name: 'Make', exact: true }).click();
  const [year, now] = [new Date(), Date.now()];
  year.setFullYear(year.getFullYear() + 1);
  const told = dialog.getByText(/Give this key to the service. It ends at/);
  const at = Date.parse(await told.locator('time').getAttribute('datetime'));
  assert.ok(Math.abs(at - now - (year.getTime() - now)) < 2 * DAY, new Date(at).toISOString());
  await picture(page, 'key-made');
  assert.deepEqual(faults, []);
  await context.close();
});

/** What a screen reader says of a field after its name. */
const described = (field) =>
  field.evaluate((element) =>
    (element.getAttribute('aria-describedby') ?? '')
      .split(' ')
      .map((id) => document.getElementById(id)?.textContent ?? '')
      .join(' '),
  );

const DESCRIBED = {
  hotelScope: (dialog) => dialog.getByRole('combobox', { name: 'Reaches', exact: true }),
  hotels: (dialog) => dialog.getByRole('combobox', { name: 'Add a hotel', exact: true }),
  expiresAt: (dialog) => dialog.getByLabel('Expires on', { exact: true }),
  serviceName: (dialog) => dialog.getByRole('textbox', { name: 'Service', exact: true }),
};

test('what is wrong with a field describes it, and is no part of its name', async () => {
  const { page, context, faults } = await openAs(ADMIN, '/admin/api-keys');
  await page.getByRole('button', { name: 'Make a key' }).click();
  const dialog = page.getByRole('dialog');
  const fields = Object.entries(DESCRIBED);
  for (const [, find] of fields) assert.notEqual(await find(dialog).getAttribute('aria-invalid'), 'true');
  const errors = fields.map(([name]) => ({ __typename: 'MutationError', code: 'FORBIDDEN', message: `refused because of ${name}`, path: ['input', name, '0'] }));
  await answering(page, 'CreateApiKey', () => ({ json: { data: { createApiKey: { __typename: 'Refused', apiKey: null, secret: null, errors } } } }));
  await dialog.getByRole('button', { name: 'Make', exact: true }).click();
  for (const [name, find] of fields) {
    await dialog.getByText(`refused because of ${name}`, { exact: true }).waitFor();
    assert.equal(await find(dialog).getAttribute('aria-invalid'), 'true', name);
    assert.match(await described(find(dialog)), new RegExp(`refused because of ${name}`));
  }
  await isAccessible(page, 'a key that was refused');
  await picture(page, 'key-refused');
  // The button was disabled while the answer was on its way: the focus is still in the window.
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'hidden' });
  assert.deepEqual(faults, []);
  await context.close();
});

test('one letter is looked for where it may be a word, and less than that is not', async () => {
  const { page, context, faults } = await openAs(ADMIN, '/admin/hotels');
  const created = 'mutation($input: CreateHotelInput!) { createHotel(input: $input) { errors { message } } }';
  const id = `li-${process.pid}-${Date.now() % 1_000_000}`;
  await api(ADMIN, created, { input: { pmsHotelId: id, name: '李家 Hotel', pmsType: 'apaleo' } });
  await person({ firstName: '李', lastName: 'Wiśniewska' });
  const asked = [];
  page.on('request', (request) => {
    const { operationName, variables } = request.postDataJSON?.() ?? {};
    if (['Hotels', 'HotelChoices', 'Users'].includes(operationName)) asked.push(variables.filter?.search ?? '');
  });
  const search = async (field, find) => {
    await field.click();
    // One letter of a script with small and capital ones, and one sign of two halves: nothing that can be looked for.
    for (const letter of ['Ö', '😀']) {
      await typeLike(page, letter);
      await page.waitForTimeout(300);
      await page.keyboard.press('Backspace');
    }
    await typeLike(page, '李');
    await find.waitFor();
  };
  await search(page.getByLabel('Search'), row(page, id));
  await row(page, 'VoiceHive Demo Hotel Berlin').waitFor({ state: 'hidden' });
  await picture(page, 'hotels-searched');
  await page.getByRole('link', { name: 'Users', exact: true }).click();
  // Until then the field is that of the hotels.
  await page.getByRole('heading', { name: 'Users', exact: true }).waitFor();
  await search(page.getByLabel('Search'), row(page, '李 Wiśniewska'));
  await row(page, 'reader@example.org').waitFor({ state: 'hidden' });
  await page.getByRole('button', { name: 'Clear', exact: true }).click();
  await search(page.getByRole('combobox', { name: 'Hotel' }), page.getByRole('option', { name: /李家/ }));
  await page.getByRole('option', { name: /Berlin/ }).waitFor({ state: 'hidden' });
  await picture(page, 'users-hotel-searched');
  assert.deepEqual([...new Set(asked)].sort(), ['', '李']);
  assert.deepEqual(faults, []);
  await context.close();
});
