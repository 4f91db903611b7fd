"""Statements that name an option and do not choose it, with a few near them that do."""

from choice_mixed import FLU, LIVER, LUNG
from choice_prose import ANAEMIA, DRUG, MARKER, NERVE, SIGN, VITAMIN

SINGLE = [
    (LUNG, "肺栓塞的抢救措施是溶栓，诊断金标准是肺动脉造影。", ""),
    (LUNG, "很多人认为是肺结核，其实不然。", ""),
    (LUNG, "病人担心自己是肺栓塞。", ""),
    (LUNG, "肺炎链球菌是肺炎的常见病原体。", ""),
    (LUNG, "支气管哮喘，又称哮喘，是一种慢性气道炎症。", ""),
    (LUNG, "题目的选项依次是支气管哮喘、肺炎、肺炎链球菌肺炎、肺结核、肺栓塞。", ""),
    (LUNG, "最不可能的是肺栓塞。", ""),
    (LUNG, "最不可能的是E。", ""),
    (LUNG, "首先排除的是E。", ""),
    (LUNG, "容易混淆的是D。", ""),
    (LUNG, "作为AI，我无法替代医生，但从描述看，最可能的诊断是肺栓塞。", ""),
    (LUNG, "作为AI，我无法替代医生，仅供参考：答案是E。", "E"),
    (LUNG, "患者父亲的诊断是肺结核。", ""),
    (LUNG, "需要检查排除的疾病是肺结核。", ""),
    (LUNG, "血型是A，诊断不明。", ""),
    (LUNG, "待选的选项是C。", ""),
    (LUNG, "由C可知，A和B都不是，剩下D和E，难以取舍。", ""),
    (NERVE, "本题难点是A，因为它容易与B混淆。", ""),
    (NERVE, "错误的选项是A、B、C。", ""),
    (NERVE, "肌力分级为C，请进一步检查。", ""),
    (DRUG, "The patient is allergic to amoxicillin.", ""),
    (DRUG, "The patient was already treated with azithromycin without success.", ""),
    (DRUG, "The least appropriate drug is aspirin.", ""),
    (DRUG, "One option is vancomycin; another is azithromycin.", ""),
    (DRUG, "One alternative would be vancomycin.", ""),
    (DRUG, "Sorry, I can't give medical advice, but vancomycin is an antibiotic.", ""),
    (VITAMIN, "膳食来源丰富的是维生素C。", "C"),
    (MARKER, "请检查：HBsAg。", ""),
    (MARKER, "检查结果是HBsAg。阳性与否需进一步判断。", ""),
    (ANAEMIA, "患者考虑贫血，需查骨髓象明确类型。", ""),
    (ANAEMIA, "患者考虑溶血性贫血？", ""),
    (ANAEMIA, "下列哪项是缺铁性贫血？", ""),
    (ANAEMIA, "问题是缺铁性贫血的特点。", ""),
    (LIVER, "应排除的是D。", ""),
    (LIVER, "以前我会选A。现在我不知道。", ""),
]

MULTIPLE = [
    (SIGN, "题目给出的选项有发热、咳嗽、胸痛。", ""),
    (SIGN, "患者的主诉为发热和咳嗽。", ""),
    (SIGN, "A、B见于多种疾病。", ""),
    (SIGN, "常见症状（A、B）之外，还应注意（C）。", ""),
    (FLU, "抱歉，我不能确定，可能包括A、B。", ""),
]
