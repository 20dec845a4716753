"""What customers write: one sentence of praise and one of complaint, per theme and language.

The order of the sentences follows ``THEMES``, so that a sentence's English translation is the
one at the same place under ``"en"``.
"""

from __future__ import annotations

from typing import NamedTuple


class Theme(NamedTuple):
    """A theme that customers talk about, with the reasons they may tick below it.

    Attributes:
        name: The label of the topic, and of the primary driver.
        reasons: The secondary drivers that belong to it.
    """

    name: str
    reasons: tuple[str, ...]


THEMES = (
    Theme("Support", ("Speed of Reply", "Knowledge", "Friendliness", "Issue Solved")),
    Theme("Product", ("Ease of Use", "Capabilities", "Return on Investment", "Reliability")),
    Theme("Ordering", ("Ease of Ordering", "Product Information", "Invoicing/Payments")),
    Theme("Delivery", ("On Time", "Complete", "Packaging", "Tracking")),
    Theme("Price", ("Value for Money", "Transparency", "Contract Terms")),
    Theme("Account Management", ("Availability", "Proactivity", "Understands our Business")),
)

# Per language, per theme: (praise, complaint).
PHRASES: dict[str, tuple[tuple[str, str], ...]] = {
    "en": (
        ("Your support team answers fast and knows its stuff.", "Support took four days to reply."),
        ("The product simply works, every day.", "The app keeps crashing since the last update."),
        ("Ordering online is quick and clear.", "The order form is confusing and loses my input."),
        ("Always delivered on time.", "Two of our last three deliveries were late."),
        ("Fair prices for what we get.", "Too expensive compared with what others offer."),
        ("Our account manager thinks along with us.", "We have not heard from you in a year."),
    ),
    "nl": (
        ("Snelle en deskundige hulp van support.", "Support reageerde pas na vier dagen."),
        ("Het product doet gewoon wat het moet doen.", "De app loopt vast sinds de update."),
        ("Online bestellen gaat snel en duidelijk.", "Het bestelformulier is verwarrend."),
        ("Altijd netjes op tijd geleverd.", "Twee van de drie leveringen waren te laat."),
        ("Eerlijke prijs voor wat we krijgen.", "Te duur vergeleken met andere aanbieders."),
        ("Onze accountmanager denkt echt mee.", "Al een jaar niets meer van jullie gehoord."),
    ),
    "de": (
        ("Der Support antwortet schnell und kompetent.", "Der Support brauchte vier Tage."),
        ("Das Produkt läuft zuverlässig, Tag für Tag.", "Seit dem Update stürzt die App ab."),
        ("Online bestellen geht schnell und übersichtlich.", "Das Bestellformular ist verwirrend."),
        ("Immer pünktlich geliefert.", "Zwei von drei Lieferungen kamen zu spät."),
        ("Faire Preise für gute Leistung.", "Im Vergleich zu anderen zu teuer."),
        ("Unsere Betreuerin denkt wirklich mit.", "Seit einem Jahr nichts mehr von Ihnen gehört."),
    ),
    "fr": (
        ("Le support répond vite et bien.", "Le support a mis quatre jours à répondre."),
        ("Le produit fonctionne très bien au quotidien.", "L'appli plante depuis la mise à jour."),
        ("Commander en ligne est simple et rapide.", "Le formulaire de commande est confus."),
        ("Toujours livré à l'heure.", "Deux livraisons sur trois étaient en retard."),
        ("Un prix juste pour le service reçu.", "Trop cher par rapport à la concurrence."),
        ("Notre chargé de compte est à l'écoute.", "Aucune nouvelle de vous depuis un an."),
    ),
    "es": (
        ("El soporte responde rápido y sabe lo que hace.", "El soporte tardó cuatro días."),
        ("El producto funciona muy bien cada día.", "La aplicación falla desde la actualización."),
        ("Pedir en línea es rápido y claro.", "El formulario de pedido es confuso."),
        ("Siempre entregan a tiempo.", "Dos de cada tres entregas llegaron tarde."),
        ("Precio justo por lo que recibimos.", "Demasiado caro frente a otras ofertas."),
        ("Nuestro gestor se implica de verdad.", "¡Hace un año que no sabemos nada de ustedes!"),
    ),
    "pt": (
        ("O suporte responde rápido e com conhecimento.", "O suporte demorou quatro dias."),
        ("O produto funciona bem todos os dias.", "O aplicativo trava desde a atualização."),
        ("Fazer pedidos online é rápido e claro.", "O formulário de pedido é confuso."),
        ("Entrega sempre no prazo.", "Duas das três últimas entregas atrasaram."),
        ("Preço justo pelo que recebemos.", "Muito caro em comparação com os outros."),
        ("Nosso gerente de conta é muito atencioso.", "Há um ano não temos notícias de vocês."),
    ),
    "ja": (
        ("サポートの対応が早くて的確です。", "サポートの返信に四日かかりました。"),
        ("製品は毎日問題なく動いています。", "更新後、アプリがよく落ちます。"),
        ("オンライン注文は簡単で分かりやすいです。", "注文フォームが分かりにくいです。"),
        ("いつも予定どおりに届きます。", "三回のうち二回は配達が遅れました。"),
        ("価格は内容に見合っています。", "他社と比べて高すぎます。"),
        ("担当者が親身に考えてくれます。", "一年間まったく連絡がありません。"),
    ),
    "ar": (
        ("فريق الدعم سريع ومحترف.", "استغرق الدعم أربعة أيام للرد."),
        ("المنتج يعمل بشكل ممتاز كل يوم.", "التطبيق يتعطل منذ التحديث الأخير."),
        ("الطلب عبر الإنترنت سريع وواضح.", "نموذج الطلب مربك."),
        ("التسليم دائما في الموعد.", "تأخر تسليمان من أصل ثلاثة."),
        ("السعر عادل مقابل الخدمة.", "السعر مرتفع مقارنة بالآخرين."),
        ("مدير الحساب يفهم احتياجاتنا.", "لم نسمع منكم منذ عام."),
    ),
}
