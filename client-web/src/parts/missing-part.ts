import { say } from './toasts.tsx'

/** A part of the app that is loaded when it is first needed was not to be had: mostly, a newer server has it no more. */
export class MissingPart extends Error {
  constructor(cause: unknown) {
    super('This part of the app could not be loaded. Reload to get the new version, then try again.', {
      cause,
    })
  }
}

/** Loads a part of the app, so that its lack is told from what fails in it later. */
export async function loadPart<Part>(load: () => Promise<Part>): Promise<Part> {
  try {
    return await load()
  } catch (error) {
    throw new MissingPart(error)
  }
}

/** Null when it could not be had, which the person has been told. */
export async function loadPartOrSay<Part>(load: () => Promise<Part>): Promise<Part | null> {
  try {
    return await load()
  } catch (error) {
    say(new MissingPart(error).message, 'problem')
    return null
  }
}
