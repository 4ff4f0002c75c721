// A dialog over the page. It takes the focus, gives it back, and closes on Escape.
import type { ReactNode } from 'react';
import { Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components';

interface WindowProps {
  title: string;
  open: boolean;
  onClose(): void;
  children: ReactNode;
}

export function Window({ title, open, onClose, children }: WindowProps) {
  return (
    <ModalOverlay className="overlay" isOpen={open} onOpenChange={(isOpen) => void (!isOpen && onClose())} isDismissable>
      <Modal className="window">
        <Dialog>
          <Heading slot="title">{title}</Heading>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  );
}

/** Closes the window that it stands in. */
export function Cancel({ onClose, children = 'Cancel' }: { onClose(): void; children?: string }) {
  return (
    <button type="button" onClick={onClose}>
      {children}
    </button>
  );
}
