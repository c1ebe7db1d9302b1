import { describe, expect, it } from 'vitest';
import { choose, chooseMore, MOST_FILES, takesFiles } from './files';

const text = (name: string) => new File(['hello'], name, { type: 'text/plain' });

describe('files to send', () => {
  it('are read as base64, empty ones too', async () => {
    expect(await choose(text('note.txt'))).toEqual({
      upload: { filename: 'note.txt', content_base64: 'aGVsbG8=' },
      size: 5,
      preview: undefined
    });
    const empty = await choose(new File([], 'empty.bin'));
    expect(empty.upload.content_base64).toBe('');
  });

  it('have a preview when they are pictures', async () => {
    const picture = await choose(new File([new Uint8Array([1, 2])], 'a.png', { type: 'image/png' }));
    expect(picture.preview).toBe('data:image/png;base64,AQI=');
  });

  it('are left to a field that takes files by itself', () => {
    const dropped = (target: HTMLElement) => {
      let taken: boolean | undefined;
      target.addEventListener('drop', (event) => (taken = takesFiles(event)));
      target.dispatchEvent(new Event('drop'));
      return taken;
    };
    const field = document.createElement('input');
    expect(dropped(field)).toBe(false);
    field.type = 'file';
    expect(dropped(field)).toBe(true);
    expect(dropped(document.createElement('p'))).toBe(false);
  });

  it('are refused when they are too large or too many', async () => {
    const large = new File([new Uint8Array((10 << 20) + 1)], 'large.bin');
    await expect(choose(large)).rejects.toThrow('large.bin is larger than 10.0 MiB.');
    const many = Array.from({ length: MOST_FILES + 1 }, (_, n) => text(`${n}.txt`));
    await expect(chooseMore([], many)).rejects.toThrow('A message takes 10 files.');
    expect(await chooseMore([], many.slice(1))).toHaveLength(MOST_FILES);
  });
});
