// The package ships no types.
declare module 'swagger-ui-dist/swagger-ui-es-bundle.js' {
  interface Options {
    url: string;
    domNode: HTMLElement;
    deepLinking?: boolean;
    displayRequestDuration?: boolean;
    docExpansion?: 'list' | 'full' | 'none';
    defaultModelsExpandDepth?: number;
    persistAuthorization?: boolean;
    tryItOutEnabled?: boolean;
    validatorUrl?: null;
    onComplete?: () => void;
  }
  export default function SwaggerUIBundle(options: Options): unknown;
}

declare module 'swagger-ui-dist/swagger-ui.css';
