import { size } from './chat/system';
import { Told } from './told';
import type { Upload } from './types';

/** Discord's limits of one message. */
export const MOST_FILES = 10;
const LARGEST = 10 << 20;

/** A file that is ready to be sent. */
export interface Chosen {
  upload: Upload;
  size: number;
  /** Of pictures: their content as an address. */
  preview?: string;
}

function addressOf(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(String(reader.result));
    reader.onerror = () => reject(new Told('composer.unreadable', { name: file.name }));
    reader.readAsDataURL(file);
  });
}

/** Reads a file; throws what a person should know when it is too large or unreadable. */
export async function choose(file: File): Promise<Chosen> {
  if (file.size > LARGEST) throw new Told('composer.tooLarge', { name: file.name, size: size(LARGEST) });
  const address = await addressOf(file);
  return {
    upload: { filename: file.name, content_base64: address.slice(address.indexOf(',') + 1) },
    size: file.size,
    preview: file.type.startsWith('image/') ? address : undefined
  };
}

/** Adds files to those already chosen, as many as a message takes. */
export async function chooseMore(chosen: Chosen[], files: File[]): Promise<Chosen[]> {
  if (chosen.length + files.length > MOST_FILES) {
    throw new Told('composer.mostFiles', { count: MOST_FILES });
  }
  return [...chosen, ...(await Promise.all(files.map(choose)))];
}

/** Whether something is dropped on a field for files, which takes it by itself. */
export const takesFiles = ({ target }: Event): boolean =>
  target instanceof HTMLInputElement && target.type === 'file';
