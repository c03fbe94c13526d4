"""Who may use the server: tokens, certificates, people and what each may use."""
