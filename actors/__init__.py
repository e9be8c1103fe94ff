"""Event-sourced actors of any kind: decider, mailbox, dispatcher, passivation, ownership."""
