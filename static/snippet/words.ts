// The few words that are ours and not the author's, mostly for screen readers.

const NAMES = ["close", "step", "done", "dismiss", "locked", "finished", "go", "mark"] as const;

type Words = Record<(typeof NAMES)[number], string>;

/** In each language the words in the order of NAMES. */
const SPOKEN: Record<string, string> = {
  en: "Close|Step {} of {}|{} of {} done|Don’t show again|First finish the one before|Done|Start|Mark as done",
  de: "Schließen|Schritt {} von {}|{} von {} erledigt|Nicht mehr anzeigen|Zuerst den vorigen Punkt abschließen|Erledigt|Los geht’s|Als erledigt markieren",
  fr: "Fermer|Étape {} sur {}|{} sur {} terminés|Ne plus afficher|Terminez d’abord le précédent|Terminé|Commencer|Marquer comme terminé",
  es: "Cerrar|Paso {} de {}|{} de {} hechos|No volver a mostrar|Primero termina el anterior|Hecho|Empezar|Marcar como hecho",
};

export function wordsIn(language: string): Words {
  const spoken = (SPOKEN[language.slice(0, 2).toLowerCase()] ?? SPOKEN["en"] ?? "").split("|");
  return Object.fromEntries(NAMES.map((name, index) => [name, spoken[index] ?? ""])) as Words;
}

export function count(words: string, ...numbers: number[]): string {
  return words.replace(/\{\}/g, () => `${numbers.shift()}`);
}
