// A dialog over the page. It takes the focus, gives it back, and closes on Escape or a click beside it; where something would be lost
// by that, it asks first.
import { useEffect, useRef, useState, type ReactNode } from 'react';
import { Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components';

interface WindowProps {
  title: string;
  open: boolean;
  /** The service has not answered yet: whoever leaves now would not learn what it says. */
  busy?: boolean;
  /** What is lost when it closes, and null for nothing; left out, what was typed into it. */
  holds?: string | null;
  onClose(): void;
  children: ReactNode;
}

export function Window({ title, open, busy = false, holds, onClose, children }: WindowProps) {
  const [asking, setAsking] = useState(false);
  const [typed, setTyped] = useState(false);
  if (!open && (asking || typed)) {
    setAsking(false);
    setTyped(false);
  }
  const loses = holds === undefined && typed ? 'What you typed is not saved.' : (holds ?? null);
  const content = useRef<HTMLDivElement>(null);
  // Buttons go with the form or the question that they stand in, or are disabled meanwhile: the focus stays in the window.
  useEffect(() => {
    if (document.activeElement === document.body) content.current?.closest<HTMLElement>('[role=dialog]')?.focus();
  });
  function leave() {
    if (busy) return;
    if (loses === null) onClose();
    else setAsking(true);
  }
  return (
    <ModalOverlay className="overlay" isOpen={open} onOpenChange={(isOpen) => void (!isOpen && leave())} isDismissable>
      <Modal className="window">
        <Dialog>
          <Heading slot="title">{title}</Heading>
          <div ref={content} onInput={() => void setTyped(true)}>{children}</div>
          {asking && loses !== null && (
            <div className="asks banner" role="alert">
              <p>{loses} Close all the same?</p>
              <button type="button" autoFocus onClick={() => void setAsking(false)}>
                Stay
              </button>
              <button type="button" onClick={onClose}>
                Close and lose it
              </button>
            </div>
          )}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

/** Closes the window that it stands in. */
export function Cancel({ onClose, busy = false, children = 'Cancel' }: { onClose(): void; busy?: boolean; children?: string }) {
  return (
    <button type="button" disabled={busy} onClick={onClose}>
      {children}
    </button>
  );
}
