/** What a code block can be written in. Chosen by name; the names of Markdown's fences (`js`, `sh`) work too. */
export const CODE_LANGUAGES: readonly { id: string; name: string }[] = [
  { id: 'plaintext', name: 'Plain text' },
  { id: 'bash', name: 'Shell' },
  { id: 'css', name: 'CSS' },
  { id: 'go', name: 'Go' },
  { id: 'java', name: 'Java' },
  { id: 'javascript', name: 'JavaScript' },
  { id: 'json', name: 'JSON' },
  { id: 'markdown', name: 'Markdown' },
  { id: 'python', name: 'Python' },
  { id: 'rust', name: 'Rust' },
  { id: 'sql', name: 'SQL' },
  { id: 'typescript', name: 'TypeScript' },
  { id: 'xml', name: 'HTML, XML' },
  { id: 'yaml', name: 'YAML' },
]
