import type { Texts } from '../locale.svelte';

export const ar: Texts = {
  'theme.label': 'المظهر',
  'theme.system': 'النظام',
  'theme.light': 'فاتح',
  'theme.dark': 'داكن',
  'language.label': 'اللغة',
  'language.missing': 'تعذّر تحميل نصوص {name}. اخترها مرة أخرى لاحقًا.',

  'ui.retry': 'حاول مرة أخرى',
  'ui.close': 'إغلاق',
  'ui.cancel': 'إلغاء',
  'ui.clear': 'مسح',
  'ui.clearNamed': 'مسح {label}',
  'ui.looking': 'جارٍ البحث…',
  'ui.nothingFound': 'لا توجد نتائج',
  'ui.choices': 'الخيارات',
  'ui.never': 'أبدًا',
  'ui.now': 'الآن',
  'ui.unknown': 'غير معروف',
  'ui.yes': 'نعم',
  'ui.no': 'لا',
  'ui.none': '–',
  'ui.updated': 'آخر تحديث: {when}',
  'ui.of': 'من {total}',
  'ui.stale': 'انقطع الاتصال. المعروض هو الحالة عند {time}.'
};
