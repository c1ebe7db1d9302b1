/** The operators' page is a directory: its API lies below it. */
export const trailingSlash = 'always';
