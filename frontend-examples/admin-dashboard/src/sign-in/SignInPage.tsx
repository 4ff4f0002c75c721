// Email and password. Who is refused reads why, and when the account is locked, for how long.
import { useState } from 'react';
import { ActionForm } from '../parts/ActionForm';
import { Field, Tick } from '../parts/fields';
import type { Outcome } from '../api/useAction';
import { useSession } from '../shell/session';

const IDLE: Outcome = { running: false, errors: [], failure: null };

export function SignInPage() {
  const session = useSession();
  const [outcome, setOutcome] = useState(IDLE);

  async function submit(values: FormData) {
    setOutcome({ ...IDLE, running: true });
    try {
      const { errors, retryAfter } = await session.signIn(
        String(values.get('email')),
        String(values.get('password')),
        values.has('rememberMe'),
      );
      const locked = `Too many failed sign-ins. Try again in ${inWords(retryAfter ?? 0)}, or ask an administrator to unlock the account.`;
      setOutcome(retryAfter === null ? { ...IDLE, errors } : { ...IDLE, failure: locked });
    } catch (error) {
      setOutcome({ ...IDLE, failure: error instanceof Error ? error.message : String(error) });
    }
  }

  return (
    <main className="sign-in">
      <h1>VoiceHive Identity</h1>
      {session.ended && (
        <p className="banner" role="status">
          Your session has ended. Sign in to go on.
        </p>
      )}
      <ActionForm outcome={outcome} submitLabel="Sign in" onSubmit={(values) => void submit(values)}>
        <Field name="email" type="email" label="Email" autoComplete="username" isRequired autoFocus />
        <Field name="password" type="password" label="Password" autoComplete="current-password" isRequired />
        <Tick name="rememberMe">Keep me signed in on this device</Tick>
      </ActionForm>
    </main>
  );
}

function inWords(seconds: number): string {
  const minutes = Math.ceil(seconds / 60);
  if (seconds <= 60) return `${seconds} second${seconds === 1 ? '' : 's'}`;
  return `${minutes} minutes`;
}
