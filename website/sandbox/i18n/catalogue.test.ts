import { describeCatalogue } from '../../tests/catalogue';
import { SANDBOX } from './locale';

describeCatalogue('sandbox', SANDBOX);
