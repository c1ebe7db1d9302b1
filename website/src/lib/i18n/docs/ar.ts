import type { Texts } from '../locale.svelte';
import type { DocsKey } from './locale';

export const ar: Texts<DocsKey> = {
  'docs.page': 'API · AntiRaid',
  'docs.description': 'اقرأ واجهة AntiRaid البرمجية وجرّبها.',
  'docs.loading': 'جارٍ تحميل مستند الواجهة…',
  'docs.failed': 'تعذّر تحميل مستند الواجهة',
  'docs.at': 'المستند نفسه على العنوان `/openapi`.',
  'docs.version': 'الإصدار {version}',
  'docs.tokens': 'الرموز',
  'docs.tokensHelp': 'تبقى في هذه الصفحة ولا تُرسل إلا مع ما تجرّبه هنا.',
  'docs.groups': 'مجموعات العمليات',
  'docs.needs': 'يتطلب',
  'docs.anyone': 'متاح للجميع.',
  'docs.parameters': 'المعاملات',
  'docs.required': 'إلزامي',
  'docs.bodyOf': 'المحتوى بصيغة JSON',
  'docs.answers': 'الإجابات',
  'docs.shape': 'شكل {name}',
  'docs.send': 'إرسال',
  'docs.sendNamed': 'إرسال {method} {path}',
  'docs.sending': 'جارٍ الإرسال…',
  'docs.sends': 'هذا يغيّر شيئًا في هذا التثبيت.',
  'docs.answer': 'الإجابة: {status} بعد {ms} مللي ثانية',
  'docs.redirect': 'تحويل لا يعرضه المتصفح للصفحات',
  'docs.noAnswer': 'لا إجابة: {reason}',
  'docs.open': 'فتح في المتصفح'
};
