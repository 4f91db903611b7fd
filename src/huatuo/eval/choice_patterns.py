"""How answers to exam questions are worded: what states, negates, hedges and refuses."""

from __future__ import annotations

import re

CLAUSE_END = re.compile(r"[,。;!?\n]|\.(?=\s|$)")
STATED = r"(?:应该|应当|应|就|也|只能|只|可能|最终|最可能|必须|肯定|一定|显然|确实)*"
NOT = r"(?P<not>并不是|并非|不会是|不可能是|不应该是|不应是|不应为|不应选|不能选|不是|不选|不为|非)?"
OPENED = (
    r"\\(?:boxed|fbox|framebox)\s*\{|<(?:final_?)?(?:answer|choice|option|ans|result|output|prediction|选项|答案"
    r"|结果)>"
)
"""What frames a final answer."""
IS = (
    rf"(?:\s|{OPENED}|是|为|有|(?:给出?)?的(?=是)|选择(?!项)|选(?!项)|对应(?:于|到)?|指向|落(?:在|到)|包括|包含"
    rf"|[-—–]{{1,3}}>?|=>|[→⇒➡⟶⟹]|:|=|\||\"|[\]】}}](?!\s*\n))*"
)
TAIL = r"(?:\s+(?:is|are|would be|should be|must be|has to be|will be|remains)\b|\s*[\"']?\s*:)"
HEDGES = (
    r"(?:(?:clearly|definitely|most likely|most probably|likely|probably|therefore|thus|indeed|simply|both|option"
    r"|choice|letter|answer|includes?|options)\b[\s:]*)*"
)
MARKS: tuple[tuple[int, str, re.Pattern[str]], ...] = (
    (4, "framed", re.compile(rf"(?:{OPENED})(?:\s|:|选|答案|\{{)*")),
    (
        3,
        "answer",
        re.compile(
            r"(?:答[案安](?:[与及和、]?解析)?|正解|答题(?:结果)?(?=[】\]:])|(?:回答|结论|作答|(?:最终|最后)的?(?:选择"
            r"|判断))(?=[】\]:])|(?:最终)?(?:结论|作答|判断)(?=\s*\n)|最终(?=是|为|选|:)|标答|正确的?选项|最佳选项"
            r"|正确项|(?:应选|对|当选)的(?=是|为|有|:|包括)|正确的?(?:一项|[^,。:\n不非错误]{0,6}(?=:|有"
            r"|包括))?(?=是|为|有|:|包括)"
            rf"|(?<![A-Za-z\u3400-\u9fff])答(?=:)){STATED}{NOT}{IS}"
        ),
    ),
    (
        3,
        "answer",
        re.compile(
            rf"(?i:(?<![A-Za-z])(?:answers?\b{TAIL}?"
            rf"|(?:option|choice|response|letter|ans|key|pick|selection|result|label|selected|chosen|predict(?:ion"
            rf"|ed)|output|conclusion)s?{TAIL}|final(?=[\"']?\s*:)[\"']?\s*:"
            rf"|correct(?:\s+(?:one|option|choice))?{TAIL}|ans\.(?=\s*[(A-Z]))"
            rf"(?P<not>\s+not\b|n't\b)?[\s:=\"'>|—–-]*{HEDGES})"
        ),
    ),
    (
        3,
        "answer",
        re.compile(
            r"(?i:\bnot\b[^.;\n]{1,40}?,?\s+but\s+(?:rather\s+|instead\s+)?(?:(?:is|it is|it's)\s+)?"
            r"(?:(?:option|choice)\s+)?)"
        ),
    ),
    (
        2,
        "choose",
        re.compile(
            rf"(?:而是|而应是|应为|应是|应该是|应该选择?|应选择?|必选|首推|锁定|选定|选择?|选取)(?!项|题"
            rf"|拔){STATED}{IS}"
        ),
    ),
    (2, "choose", re.compile(rf"(?:其实|实际上?|实则|实)(?:应该|应|就)?(?:是|为|选){IS}")),
    (2, "choose", re.compile(r"(?i:\bassistant|助手)\s*:\s*")),
    (2, "choose", re.compile(r"非(?=\s*[(「]?[A-Z0-9][)」]?\s*莫属)")),
    (2, "choose", re.compile(rf"(?:不是|并非)[^,。;:\n]{{1,20}}[,;]\s*(?:而)?(?:应该|应)?是{IS}")),
    (
        2,
        "choose",
        re.compile(
            r"(?i:\b(?:choose|chose|select|pick|go(?:ing)? with|opt for|settle on|vote for|mark|circle)[\s:]+"
            r"(?:(?:option|choice|answer|letter)\s+)?)"
        ),
    ),
    (3, "answer", re.compile(rf"(?:更正|修正|纠正|改)(?:为|成|选|:){IS}")),
    (3, "answer", re.compile(rf"(?i:\b(?:correct(?:ion|ed)|revis(?:ion|ed))(?:\s+(?:answer|choice))?\s*:){IS}")),
    (
        1,
        "consider",
        re.compile(
            r"(?:考虑|倾向于?|判断为|诊断为|认为是|符合|属于|指向|支持|定为|当属|莫过于"
            r"|(?:毫无疑问|无疑|显而易见|当然|肯定|一定)(?:就)?(?:是|选)"
            rf"|(?:(?<![反效适相供响感对])应当?|只能|适宜|宜|推荐|建议|首选)(?:使用|用|选用)?){IS}"
        ),
    ),
    (
        1,
        "consider",
        re.compile(
            rf"(?:(?:最|唯一|正确|符合|合适|恰当)[^,。;:\n不非错]{{0,12}}(?:的(?:一项|选项|一个|答案"
            rf"|诊断)?)?(?:应该|应|就)?(?:是|为)"
            rf"|(?:觉得|认为|感觉|我会)(?:应该|应)?(?:就)?(?:是|选)|只有|(?:只|仅)?(?:剩下?|剩余|余下"
            rf"|留下)(?:的)?(?:选项)?(?:就|便)?(?:只有|只能)?){IS}"
        ),
    ),
    (
        1,
        "consider",
        re.compile(
            r"(?i:\b(?:it(?:'s| is| must be| should be| has to be)|that's|leav(?:es?|ing)(?: us)?(?: only)?(?: with)?"
            r"|left with|i(?:'d| would) say|points? to|lean(?:ing)? towards?|best (?:fits|matches)"
            r"|consistent with|in favou?r of)"
            rf"\s+{HEDGES})"
        ),
    ),
    (0, "perhaps", re.compile(rf"(?:可能|大概|也许|或许|估计|猜测?|大约|似乎|好像)(?:就|应该|答案)?(?:是|选|为){IS}")),
    (
        0,
        "perhaps",
        re.compile(rf"(?i:\b(?:probably|maybe|perhaps|(?:my|best) guess(?: is|:)?|guess(?:ing)?|likely)\s+{HEDGES})"),
    ),
)
CLOSING = re.compile(
    r"因此|所以|故|综上|总之|最终|最后|由此|∴|(?i:\b(?:therefore|thus|hence|finally|final|in conclusion|so)\b)"
)
CONCLUDED = re.compile(
    r"(?:因此|所以|故|综上所述|综上|由此可见|总之|∴|=>|->|→|⇒|(?i:\b(?:therefore|thus|hence|so)\b))[\s,:]*"
    r"(?:(?:就|应该|应当|应|只能|必然|显然)*(?:是|为)|(?i:(?:it is|it's|it must be)\b))?[\s:]*"
)
DOUBT = re.compile(
    r"如果|与其|假如|假设|倘若|若是|若(?!干)|是否|老师|同学|别人|网友|网上|(?i:\b(?:colleagues?|friends?|students"
    r"|people|others)\b)|无法|不能确定|不确定|不知道|不清楚|难以|有人|误认为|误选(?!项)|误以为|容易选|易选|不要"
    r"|除非|拒绝|不愿|不便|"
    r"(?i:\b(?:if|whether|unless|cannot|can't|could not|unable|unsure|not sure|don't know|do not know|might|some"
    r"|refuse"
    r"|decline|won't)\b)"
)
NEGATED_BEFORE = re.compile(
    r"(?:不|别|勿|并非|而非)(?:能|可|会|要|宜|便|想|应|该|当|应该|应当|可以)?$|(?:错误|不正确|不是|不是正确"
    r"|并非正确|干扰)的?$"
    r"|[误错]$|(?i:(?<!right )(?<!correct )(?<!best )\b(?:one|another)\s+)$|(?i:(?:\bnot|n't|\bnever)\s+(?:be\s+)?)$"
)
REVISION = re.compile(
    r"(?:^|(?<=[,。;!?\s—…-]))(?:不对|不(?=[,。!—…])|等一下|等等(?=[,。!:…])|慢着)|再(?:核对|检查|审|读)|更正|纠正|修正|改为|重新"
    r"|(?i:\b(?:wait|actually|correction|sorry)\b)"
)
REFUSAL = re.compile(
    r"抱歉|对不起|无法(?:确认|回答|作答|解答|确定|判断|提供|给出|完成|协助|帮助|选择)|不能(?:回答|作答|解答|确定"
    r"|提供|给出|代替|替代|为您|帮)"
    r"|不便(?:回答|作答|提供|透露)?|无权|拒绝(?:回答|作答)|不予|不知道|不清楚|作为(?:一个|一名)?(?:AI|人工智能"
    r"|语言模型)"
    r"|(?i:\b(?:sorry|cannot|can't|won't|unable|decline|don't know|do not know|not able|as an ai|language model"
    r"|content (?:filter|policy)|blocked)\b)"
)
AFTER = "莫项选是为对错正不因理而即这都均两三四五者吧呢啊哦了啦呗嘛喔哟咯呀"
"""Han characters that may follow a label in a statement; any other (``B超``, ``AB型``) makes it part of a word."""
JUDGED_WRONG = re.compile(
    r"\s*(?:这|该|此)?(?:个|一)?(?:选?项)?(?:是|为)?(?:错|不对|不正确|不合适|不妥|不恰当|不符|有误)"
)
CONTRAST = re.compile(r",?\s*(?:而不是|而非|(?i:rather than|instead of))|[,;]\s*(?:不是|并非|(?i:not)\b)")
"""What names the option that is not chosen, behind the one that is."""
DISAGREE = "letter and option text disagree"
JOINT = re.compile(r"[\s、,;和及与以还也再应要选择项}]{0,12}(?:\\boxed\{)?")
"""What stands between two statements that are one list."""
LATIN_AFTER = re.compile(
    r"(?i:because|since|is|are|and|as|with|which|for|due|here|based|given|but|not|would|according|instead|overall"
    r"|seems"
    r"|fits|by|from|among|rather)\b"
)

EXPLAINED = re.compile(
    r"\s*[【\[(]?(?:答案)?(?:解析|分析|理由|说明|解释|原因|因为|而(?:不是|非|并非)|置信度?|把握|概率"
    r"|没错|无疑|无误|即可|\d{1,3}\s*%|(?i:confidence|explanation|reason|because|rather than|instead of|not\b))"
)
"""How an explanation begins; it may follow a label at once."""

RANGE = r"(?:-|~|—|–|到|至)"
VERDICT = (
    r"(?:,?(?:这一?|该|此)[个项种]?(?:说法|叙述|描述|表述|选项))?(?:(?![对错][A-Z])[^,。;!?\n不非未无没否错]){0,6}?(?:"
    r"(?!(?:不正确|不对|错误?|不属于|不包括),\s*(?:故|因此)?(?:为|是)本题)(?P<no>不正确|不对|不合适|不恰当|错误"
    r"|错的|错(?=$|[,。;!?\s)A-Z]|[在于])|有误|不符合?|不选|干扰项?|不是(?=$|[,。;!?\s)])|[×✗✘❌❎✖]"
    r"|(?i:(?:is|are)\s+(?:\w+ly\s+)?(?:incorrect|wrong|not correct|not right|false)\b|(?:incorrect|wrong|false)\b"
    r"|(?<=[:.] )no\b))"
    r"|(?P<yes>(?:不正确|不对|错误?|不属于|不包括),\s*(?:故|因此)?(?:为|是)本题的?(?:正确|最佳)?的?(?:答案|选项)"
    r"|(?:是)?(?:正确|对的|对(?=$|[,。;!?\s)]))|是(?=$|[,。;!?\s)])|符合(?=$|[,。;!?\s)])|(?:最)?符合题意"
    r"|(?:最|更|较)(?:为)?(?:合适|恰当|佳|符合|贴切|合理|准确)"
    r"|可能性最大|(?:作为|即?为|即?是)(?:正确|最佳|本题|最终)*的?(?:答案|所求)(?!不|错|是错)|选上|入选|当选"
    r"|[都均皆]选"
    r"|[√✓✔✅☑]|(?i:(?:is|are)\s+(?:\w+ly\s+)?(?:the\s+)?(?:correct|true|best|(?:most|more) (?:likely|appropriate)"
    r"|right(?=$|\s*[,.;!)]|\s+(?:answer|option|choice|one)))|it is(?=\s*[.!])"
    r"|(?<=[:.] )(?:true|correct|right|yes)\b)))"
)
"""How an option is called right or wrong behind its label."""
ALL_BUT: tuple[str, ...] = (
    r"(?:只有|仅有?|唯有)\s*{list}\s*(?:是|为)?(?P<yes>不正确|不对|错|不符合|不选|不属于)",
    r"(?:除了?|除去|排除|不选)\s*{list}\s*(?:\([^()\n]{{1,20}}\))?(?:以外|之外|外)?[,]?\s*(?:其余|其他|其它|剩余"
    r"|剩下|余下)?[^,。;\n不错]{{0,8}}?(?:均|都|全)"
    r"[^。;\n不错非]{{0,14}}?(?:(?P<no>不|错|非|(?:可以?|应|能|予以)?排除|无关)|(?P<yes>正确|对|符合|选|可|是|为"
    r"|属于|有))",
    r"(?i:\b(?:all|every|everything|each)\b[^.;\n]{{0,30}}?\b(?:except|but|besides|other than)(?:\s+for)?\s+"
    r"(?:option\s+)?)(?P<yes>){list}",
    r"{list}\s*(?:(?:是|为)[^,。;\n]{{1,12}},)?\s*(?:均|都|皆|是|为)*(?:不正确|不对|错误?的?|不符合?|不选"
    r"|不属于)[^,。;\n]{{0,6}}[,;。]\s*"
    r"(?:因此|所以|故)?(?:应|只|可|答案)?(?:选择?|为|是)?(?:其余|其他|其它|剩下)"
    r"(?:(?:[^,。;\n不错非]{{0,12}},)?[^,。;\n不错非]{{0,6}}?(?P<yes>正确|对|选|符合)"
    r"|(?P<rest>[两三四五]?[个项](?:选项)?(?=\s*[。.!]?\s*$)))",
    r"{list}(?:是|为)[^,。;\n]{{1,12}}[,;。]\s*(?:其余|其他|其它|剩下)[^,。;\n不错非]{{0,4}}?(?:均|都|全)(?:选"
    r"|要选)(?P<yes>)",
    r"{list}\s*(?:均|都|皆|是|为)*(?:正确|对|符合)[^,。;\n]{{0,6}}[,;。]\s*(?:其余|其他|其它"
    r"|剩下)[^,。;\n]{{0,8}}?(?P<no>不|错|非)",
)
"""How all options but some are chosen (``yes``), or none but these (``no``)."""
ALL = re.compile(
    r"(?:^|(?<=[,。;:\s\n])|答案(?:是|为|:)|应该?|因此|所以|故)\s*"
    r"(?:(?:以上|上述|[四五六4-6]个|[四五六4-6]项|所有|全部|它们|这些)*(?:的)?(?:选项|答案)?"
    r"(?:都|均|全部?|皆)(?:(?:是)?(?:正确|对|要?选|符合|属于)|是(?=[。!]?\s*$))(?!吗|\?|[^,。;!\n]{0,4}\?)"
    r"|(?:本题)?全部?选?(?=[。!]?\s*$))"
    r"|(?i:\ball of (?:the above|them|these)\b|\ball (?:the )?(?:\w+ )?(?:options|choices|answers) (?:are|apply)\b"
    r"|\ball (?:four|five|six) (?:are|apply)\b"
    r"|\ball (?:are|apply)\b)"
)
ORDINAL = re.compile(
    r"第\s*(?P<zh>[一二三四五六1-6])\s*(?:个选项|选项|个答案|项|个)|(?P<last>最后一?(?:个选项|项|个))"
    r"|(?i:\b(?P<en>first|second|third|fourth|fifth|last)\s+(?:option|choice|answer|one)\b)"
)
"""An option named by its place."""
PLACES = {name: place for names in ("一二三四五六", "123456") for place, name in enumerate(names)} | {
    name: place for place, name in enumerate(("first", "second", "third", "fourth", "fifth"))
}

BEFORE_TEXT = (
    r"(?:(?<![不非])(?:是|为)|考虑|诊断|即|首选|选用|宜用|应用|可用|方用|[宜应]?取|(?:推荐|建议|应该?|可|宜|需要?"
    r"|必须)(?:使用|用|服用|补充|给予)?|给予|补充"
    r"|属于?|提示|见于|符合|支持|缺乏|缺少|所致的|引起的"
    r"|\b(?:is|is to|should|must|be|was|with|suggests?|favou?rs?|indicates?|represents?|toward|towards|points? to"
    r"|suggestive of"
    r"|indicative of|diagnosis of|due to|by|use|give|prescribe|choose|receive|start|administer|prefer|order"
    r"|perform|obtain|recommend|initiate)\b)"
)
"""What stands right before an option's text that is the answer."""
AFTER_TEXT = re.compile(
    r"[\"”'」]?\s*(?:\([^()]*\))?\s*(?:(?:的)?可能性?(?:最|较|更)?大|最?为?可能|所?致|治疗|引起|而(?:不|非)"
    r"|(?:的)?(?:典型|临床|主要)?(?:表现|特征|特点|征象|诊断标准|诊断)\s*$"
    r"|rather than|instead of|[,;:]|$)"
)
"""What may stand behind it in its clause."""
BEFORE_ONLY = r"(?:导致|造成|发生|引起|出现|引发|合并|:|[—–-]{2})"
"""What stands right before the only option's text that an answer names; the colon, where its clause decides."""
HEDGED = re.compile(
    r"其实不|(?:需|应|请|待)[^,。]{0,12}(?:明确|鉴别|确诊|进一步)|与否|不(?:能|可)?(?:完全)?(?:排除|除外)|也(?:有"
    r"|存在)?(?:一定的?)?可能"
    r"|(?i:\b(?:cannot|can't|not) (?:be )?(?:exclude|rule))"
)
"""What takes an assertion half back."""
OTHERWISE = re.compile(r"否则|反之|(?i:\b(?:otherwise|or else)\b)")
EITHER = re.compile(r"(?:不是|非)[^。;\n]{1,14}?,?(?:就|便|即)?$")
"""What makes 就是 and 即 the second of two ("不是C就是E")."""
SINGULAR = re.compile(r"\bis\b|才|更|最", re.IGNORECASE)
DENIES = (
    r"(?:不(?!仅|但|只|全|典型)|非(?!常|典型)|(?<!有)无(?!力|痛|论)|没有?|未(?!来)|排除|除[外了去]|错误|禁忌?|区别"
    r"|鉴别|误|以外"
    r"|(?i:\bnot?\b|n't\b|rather than|instead of|exclud\w*|rules? out|unlike|contraindicat\w*))"
)
COPULA = re.compile(r"(?:是|为|\b(?:is|was|be))\s*(?:an?\s+|the\s+)?[\"“'「]?$", re.IGNORECASE)
DENIED_COPULA = re.compile(
    rf"{DENIES}[^,。;的\n]{{0,3}}(?:是|为|\b(?:is|was|be))\s*(?:an?\s+|the\s+)?[\"“'「]?$|\bis not (?:an?|the)?\s*$",
    re.IGNORECASE,
)
DENIED_BEFORE = re.compile(rf"{DENIES}[^,。;的\n]{{0,16}}$", re.IGNORECASE)
"""What makes a clause say what the thing is not. Before "is" only what stands at it counts: a negation farther off
belongs to what is asked for ("不属于七情的是")."""
DENIED_BEHIND = re.compile(rf"[^,。;]{{0,12}}?{DENIES}")
CASE = re.compile(
    r"综上|总之|因此|所以|故|∴|由此|可见|最终|最可能|本例|本题|该(?:患者|病|例)|患者|题干|诊断为"
    r"|(?:最|首选|答案|正确)[^,。;]{0,12}(?:是|为|:)|(?:的是|者是|者为)"
    r"|(?i:\b(?:therefore|thus|hence|so|this (?:is|patient|case|child|woman|man)|the patient"
    r"|(?:most|best|correct|first-line)|diagnosis|(?:drug|treatment|test) of choice)\b)"
)
"""What makes a sentence the one that decides, among others that name options."""
UNSAID = re.compile(
    r"错|不正确|不对|有误|误[认以选诊]|最不|考[查察点]|知识点|涉及|介绍|排除|鉴别|区分|混淆|干扰|难点|待选|备选"
    r"|给出|列出|提供的|哪[个项种一]|什么|问题"
    r"|主诉|病史|父亲|母亲|家族|(?:血型|分级|分期|分型)(?:是|为)?$|检查结果|人们?[^,。]{0,4}(?:认为|以为)|担心"
    r"|怀疑|自认"
    r"|(?i:\bleast\b|\b(?:one|another)\s+(?:option|choice|possibility|alternative|cause)|\bhistory\b|\ballergic\b"
    r"|\balready\b)"
)
"""What makes "is" name something other than what is asked for: wrong or excluded options, findings, others' views."""
UNSURE = re.compile(
    r"不知道|不清楚|(?:无法|不能|没法|没办法)(?:确定|判断|决定)|(?i:\b(?:don't|do not) know\b|\bnot sure\b)"
)
"""What takes back a choice before it."""
DISOWNED = re.compile(
    r"[^,。;\n]{0,8}[,;。]?\s*(?:但|可是|然而|不过|其实)[^,。;:\nA-Z]{0,10}(?:不对|不正确|不认同|不同意|不赞同"
    r"|错[的了]?|有误|不是(?:这样|的)?)"
    r"\s*[。!;\n]*\s*$"
)
"""What says, behind a choice and at the end, that it is not shared."""
ITEMS_LED = re.compile(r"有|包括|包含|含|为|是|如|:|(?i:\b(?:include|includes|including|are|is|such as)\b)")
"""What makes a sentence a list of what is asked for."""
LISTS = re.compile(
    r"(?:有|包括|包含|含|是|为|即|指|如下|:|属于|\b(?:are|include|includes|including|is|be)\b)\s*$", re.IGNORECASE
)
NOT_LISTS = re.compile(r"不|非|没|无|除|错|排除|禁|忌|(?i:\bnot\b|n't\b|except|exclud|contraind)")
"""How a list of option texts is led in, and what makes it a list of something else."""
CLOSED = frozenset(
    (
        "yes",
        "no",
        "maybe",
        "true",
        "false",
        "uncertain",
        "unclear",
        "是",
        "否",
        "对",
        "错",
        "正确",
        "错误",
        "不确定",
        "不一定",
        "可能",
    )
)
"""Option texts that answer a question of yes or no: they decide where they open an answer."""
BECAUSE = re.compile(r"\s*(?:因为|由于|理由|原因|依据|(?i:because|since|as|due to|given)\b)")
