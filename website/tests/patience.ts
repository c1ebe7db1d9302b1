import { configure } from '@testing-library/svelte';

// What is waited for comes late on a busy machine; only a broken test waits this long.
configure({ asyncUtilTimeout: 60_000 });
