"""The words by which prompts link an input to its result, in the languages that prompts come in.

Each kind of word is one letter, in which `stated.py` spells its forms:

    V value   B bare text that looks like data   E error type   C call   M asked name
    P parameter   L "returns"   l "is"   A arrow   i "into"   R "raises"   K "should"
    F "for", "with"   I "if", "when"   G "such as"   X "not"   D past or wrong   N "may"
    O "or"   a "and"   Q "in any order"   j "but"   W any other word
    x another function than the asked ones
    w "prints"   ~ "and so on"
    T "valid", "yes"   U "invalid"   S "unchanged"   Z "nothing"
    y a condition on an argument (conditions.py)   c a comparison of two
"""

from __future__ import annotations

import re

_PHRASES = {
    "L": "pay|pays|cost|costs|earn|earns|kostet|kosten|coûte|cuesta|devolver|retornar|dar|"
    "regresar|renvoyer|retourner|rendre|donner|liefern|restituire|ritornare|return|returns|"
    "returning|returned|give|gives|giving|yield|yields|become|becomes|produce|produces|output|"
    "outputs|equals|equal|say|says|mean|means|answers|get|gets|stays|remains|remain|stay|"
    "comes out as|come out as|spit out|spits out|evaluates to|results in|ergibt|ergeben|liefert|"
    "gibt|wird|wird zu|werden|werden zu|zurückgeben|renvoie|renvoient|retourne|retournent|donne|"
    "donnent|rend|devient|deviennent|vaut|devuelve|devuelven|retorna|retornan|da|dan|"
    "restituisce|restituiscono|ritorna|ritornano|dà|diventa|devolve|devolvem|vira|resulta em|は|"
    "を渡すと|を入れると|に対して|の場合|なら",
    "l": "is|are|be|ist|sind|est|sont|es|son|è|é|sono|são|was and is|were and are|war und ist|"
    "is and stays|still is",
    "i": "into|to|in|zu|en",
    "R": "let|lets|"
    "lanzar|sollevare|lançar|raise|raises|raising|throw|throws|cause|causes|raised|thrown|"
    "fails with|fail with|is an error|are an error|are errors|rejected with|is not allowed|"
    "are not allowed|errors|error|is an exception|"
    "ist ein fehler|fehler|sind ein fehler|erreur|est une erreur|es un error|cannot be created|"
    "can't be created|cannot be made|blows up with|crashes with|wirft|werfen|löst|lösen|"
    "ausgelöst|geworfen|auslösen|lève|lèvent|lever|déclenche|déclenchent|lanza|lanzan|solleva|"
    "sollevano|lança|lançam|provoca|provoque",
    "K": "should|must|shall|ought to|has to|have to|needs to|is supposed to|should be|must be|"
    "we need|we want|i want|i need|i expect|we expect|i expected|we expected|i'd expect|"
    "the right answer|the correct answer|the right result|expected|the correct result|"
    "correct would be|from now on|new behaviour|new behavior|in that case|in this case|"
    "in such a case|in diesem fall|dans ce cas|en ese caso|neues verhalten|nouveau comportement|"
    "le bon résultat|it should have been|should have been|is supposed to be|the expected result|"
    "after the change|in future|soll|sollte|muss|sollen|müssen|richtig wäre|doit|"
    "doivent|devrait|debe|deben|debería|deve|devono",
    "F": "take|takes|"
    "for|with|given|on|to pass|passing|calling it with|für|bei|mit|pour|avec|para|con|per|"
    "dado|dada|com|nach|after|auf",
    "I": "if|when|whenever|wenn|falls|si|quand|lorsque|cuando|se|quando",
    "G": "such as|like|for example|for instance|e.g.|eg|as in|including|namely|i.e.|wie|etwa|"
    "z. b.|z.b.|zum beispiel|comme|par exemple|p. ex.|como|por ejemplo|p. ej.|come|ad esempio|"
    "por exemplo|例えば|例",
    "X": "not|never|no|must not|mustn't|should not|shouldn't|"
    "cannot|can't|isn't|aren't|doesn't|does not|don't|do not|without|nor|"
    "nicht|kein|keine|keinen|nie|ohne|pas|ne|jamais|sans|nunca|sin|non|senza|não|sem|"
    "rather than|instead of|unlike",
    "D": "my friend's|a friend's|my colleague's|"
    "someone|chatgpt|copilot|stack overflow|stackoverflow|my attempt|my first attempt|my code|"
    "my implementation|mein code|mon code|mi código|meu código|the library|built-in|builtin|"
    "built-ins|python's|numpy's|excel's|javascript's|"
    "today|currently|current|right now|at the moment|at present|nowadays|used to|old|"
    "previously|formerly|until now|so far|before|wrong|wrongly|incorrect|incorrectly|bug|bugs|"
    "buggy|broken|actually|actual|got|was|were|now|legacy|bad implementation|naive|mistake|"
    "mistakes|misuse|avoid|in javascript|in js|in java|in php|in perl|in ruby|in excel|in c|"
    "in sql|in go|in rust|in matlab|in typescript|in c#|in c++|in bash|in numpy|in pandas|"
    "regression|deprecated|since the refactoring|some say|some people|some books|others|zurzeit|"
    "derzeit|momentan|bisher|früher|falsch|aktuell|actuellement|avant|faux|pour l'instant|"
    "actualmente|antes|ahora|incorrecto|attualmente|prima|sbagliato|atualmente|agora|errado",
    "N": "todo later|later|nice to have|someday|not yet|"
    "could|may|might|can|maybe|perhaps|possibly|probably|sometimes|suppose|assume|assuming|"
    "whether|unless|except|undefined|hopefully|random|arbitrary|any|approximately|unspecified|"
    "default|defaults|by default|standardmäßig|par défaut|por defecto|vielleicht|könnte|kann|"
    "peut|peut-être|puede|quizás|può|pode",
    "Q": "in any order|any order|in no particular order|in arbitrary order|"
    "order does not matter|order doesn't matter|the order is not important|regardless of order|"
    "in whatever order|in beliebiger reihenfolge|reihenfolge egal|dans n'importe quel ordre|"
    "en cualquier orden",
    "a": "and|und|et|y|e|as well as|与|と|や",
    "O": "or|oder|ou|o|または",
    "T": "accepts|accept|akzeptiert|accepte|acepta|yes|valid|valids|ok|okay|fine|good|allowed|"
    "accepted|true for|passes|legal|well-formed|ja|gültig|gültige|gültigen|erlaubt|oui|valide|"
    "valides|correcte|sí|válido|válida|válidos|válidas|valido|valida|validi|有効",
    "U": "invalid|bad|malformed|illegal|forbidden|rejected|is rejected|are rejected|be rejected|"
    "reject|rejects|refuses|refuse|lehnt|rejette|rechaza|disallowed|fails|weak|ungültig|"
    "ungültige|ungültigen|nein|verboten|invalide|invalides|inválido|inválida|inválidos|"
    "inválidas|invalido|invalida|無効",
    "S": "resta vuota|resta vuoto|reste vide|queda vacía|queda vacío|"
    "unchanged|untouched|as is|as it is|as they are|itself|stays empty|remains empty|"
    "stays as it is|stay as they are|stays the same|unverändert|bleibt leer|bleibt gleich|"
    "inchangé|inchangée|reste vide|sin cambios|queda igual|queda vacía|invariato|そのまま",
    "w": "prints|print|should print|druckt|affiche|imprime|stampa",
    "~": "and so on|etc|etc.|usw|und so weiter|et cetera|etcétera|y así sucesivamente|forever",
    "Z": "nothing|no items|no values|nichts|rien|nada",
    "j": "but|so|so that|where|while|whereas|because|since|hence|otherwise|else|however|then|"
    "which|that|and it|aber|sonst|dass|mais|sinon|pero|ma|altrimenti|mas",
    # These change nothing in a statement.
    "": "will|would|"
    "thx|thanks|pls|cheers|danke|merci|gracias|the|a|an|it|its|this|these|also|correctly|"
    "already|too|just|simply|exactly|please|both|still|always|only|value|function|method|word|"
    "result|output is|input|inputs|string|strings|text|list|lists|number|numbers|integer|"
    "argument|arguments|dict|dictionary|tuple|back|again|call|key|the result|the output|"
    "the answer|answer|as well|instead of raising|rather than raising|instead of an error|"
    "instead of an exception|instead of failing|without raising|everything|anything|all|"
    "any other|values|those|is called|is invoked|wird aufgerufen|alles|tout|todo|of course|"
    "there too|natürlich|bien sûr|are given|is given|are passed|is passed|are provided|"
    "is provided|instead|single|single word|there|itself a|likewise|even|der|die|das|den|dem|"
    "ein|eine|einen|einer|einem|eines|auch|ergebnis|wert|eingabe|liste|zahl|wort|zeichenkette|"
    "zurück|le|la|les|un|une|il|elle|aussi|résultat|valeur|entrée|chaîne|mot|el|los|las|una|"
    "también|resultado|valor|entrada|lista|cadena|número|palabra|lo|i|gli|anche|risultato|"
    "valore|stringa|numero|parola|os|as|uma|também|関数|を返す|を返します|を",
}
_KIND_OF = {
    phrase: kind for kind, phrases in _PHRASES.items() for phrase in phrases.split("|") if phrase
}
_LETTER = "A-Za-z0-9_À-ɏ"
_JAPANESE = re.compile("[぀-ヿ一-鿿]")


def _pattern(phrase: str) -> str:
    text = re.escape(phrase).replace(r"\ ", r"\s+").replace("'", "['’]")
    return (
        text if _JAPANESE.search(phrase) or not phrase[-1].isalnum() else rf"{text}(?![{_LETTER}])"
    )


_PHRASE = re.compile(
    "|".join(_pattern(phrase) for phrase in sorted(_KIND_OF, key=len, reverse=True)), re.IGNORECASE
)
# Behind a verb these make a link of it: "encodes to", "is converted into", "is read as".
_VERB_TO = re.compile(
    rf"(?!used\b)(?:(?:is|are|gets?)\s+)?[{_LETTER}]+(?:s|ed)\s+(?:in)?to(?![{_LETTER}])|"
    rf"(?:is|are)\s+(?:read|parsed|treated|shown|written|returned)\s+as(?![{_LETTER}])",
    re.IGNORECASE,
)
# Behind what is only asked: "'a' gives 1? No, 2."
ASKS = re.compile(r"[\"'`’”)\]\s]{0,4}[?？]")
ANY_ORDER = re.compile(
    r"\b(?:any|no|not|n['’]t|neither|nor|either|whatever|arbitrary|irrespective|regardless"
    r"|beliebig\w*|egal|n['’]importe|cualquier|qualsiasi|qualquer)\b[^.\n]{0,60}"
    r"\b(?:order(?:ing)?|reihenfolge|ordre|orden|ordine|ordem)\b"
    r"|\b(?:order(?:ing)?|sorting|reihenfolge|ordre|orden|ordine|ordem)\b[^.\n]{0,60}(?:\b(?:not"
    r"|neither|nor|any|irrelevant|undefined|unspecified|free|open|whatever|up to you|egal|beliebig"
    r"|importe|importa)\b|n['’]t\b)|\bunordered\b|\bany permutation\b"
    r"|順[序番]は(?:問|任意)"
    r"|\b(?:need not|needn['’]t|not necessarily|have to) be (?:sorted|ordered)"
    r"|\bsorted or (?:not|un)|\b(?:don['’]t|do not) care\b|\bunsorted\b|\bshuffled\b"
    r"|\bas a set\b|\bany arrangement\b",
    re.IGNORECASE,
)
# A prompt that reports a fault: what it says of results may be the fault.
REPORT = re.compile(
    r"^\W*(?:actual|observed|got|steps)(?: results?| behaviou?r| output)?\W*:"
    r"|\b(?:bug|regression|crash(?:es|ed)?|complain\w*|stopped working|does(?:n['’]t| not) work"
    r"|since (?:the|v|version|last|we)\b|wrong (?:results?|answers?|outputs?|values?)"
    r"|(?<!then )i get"
    r"|we get|i see|we see|users? (?:gets?|sees?|reports?))\b",
    re.IGNORECASE | re.MULTILINE,
)
WANTS = re.compile(
    r"\b(?:should|must|ought|expected?|wants?|needs?|has to|correct(?:ly)?|right(?:ly)?"
    r"|supposed|was and is)\b",
    re.IGNORECASE,
)
PAST = re.compile(
    r"(?<!\w)(?:" + "|".join(map(re.escape, _PHRASES["D"].split("|"))) + r")(?!\w)", re.IGNORECASE
)
_TYPES = {
    "''": "string|strings|str|text|zeichenkette|chaîne|texte|cadena|texto|stringa|testo",
    "[]": "list|lists|array|arrays|liste|listen|lista|listas|liste",
    "{}": "dict|dicts|dictionary|dictionaries|mapping|wörterbuch|dictionnaire|diccionario",
    "()": "tuple|tuples|tupel|tupla",
    "set()": "set|sets|menge|ensemble|conjunto|insieme",
}
_TYPE_OF = {word: code for code, words in _TYPES.items() for word in words.split("|")}
_NOUN = "|".join(sorted(_TYPE_OF, key=len, reverse=True))
_HOLLOW = r"(?:empty|leer|vide|vac[ií][oa]|vuot[oa]|vazi[oa])"
_EMPTY = re.compile(
    rf"(?:(?P<two>two)\s+)?(?:empty|leere[rsnm]?)\s+(?P<a>{_NOUN})(?![{_LETTER}])"
    rf"|(?P<d>{_NOUN})\s+(?:(?:is|are|ist|est|está|es|è|é)\s+{_HOLLOW}|leer\s+ist)(?![{_LETTER}])"
    rf"|(?P<b>{_NOUN})\s+(?:vide|vides|vac[ií][oa]|vuot[oa]|vazi[oa])(?![{_LETTER}])"
    r"|(?:there(?:['’]?s| is)\s+)?nothing\s+in\s+(?:the|a)\s+(?P<e>{_NOUN})(?![{_LETTER}])"
    r"|空の?(?P<c>文字列|リスト|辞書)",
    re.IGNORECASE,
)
_OF_JAPANESE = {"文字列": "''", "リスト": "[]", "辞書": "{}"}
CONSTANTS = {"true": "True", "false": "False", "none": "None", "null": "None", "nil": "None"}


def phrase_at(text: str, at: int) -> tuple[str, int] | None:
    """The kind of the longest known phrase at `at`, empty for a filler word, and where it ends."""
    if linked := _VERB_TO.match(text, at):
        return "L", linked.end()
    match = _PHRASE.match(text, at)
    return (_KIND_OF[_plain(match[0])], match.end()) if match else None


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("’", "'").split())


def empties_at(text: str, at: int) -> tuple[list[str], int] | None:
    """The Python of what is described as empty at `at` ("two empty lists"), and where it ends."""
    match = _EMPTY.match(text, at)
    if match is None:
        return None
    noun = match["a"] or match["b"] or match["d"] or match["e"]
    code = _TYPE_OF[noun.lower()] if noun else _OF_JAPANESE[match["c"]]
    return [code] * (2 if match["two"] else 1), match.end()
